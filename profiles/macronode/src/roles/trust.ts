import { audit } from '@ron/audit/service';
import { servicePrincipal } from '@ron/auth';
import { kms } from '@ron/kms/service';
import { openTrust } from '@ron/micronode/engines';
import { nameSigner } from '@ron/micronode/names';
import { controlBytesUnderPolicy, underPolicy } from '@ron/micronode/policy-overlay';
import { openTrustPlane, type TrustPlane } from '@ron/micronode/trust-plane';
import { policy } from '@ron/policy/service';
import { passportContract } from '@ron/proto/passport';
import type { Gate } from '@ron/service';
import { bindLocal, rightsFor } from '@ron/service';
import { passport } from '@ron/svc-passport/service';
import { registry } from '@ron/svc-registry/service';
import { trust } from '@ron/svc-trust/service';
import type { Facts } from '../process/messages.ts';
import type { RoleParts, RunningRole } from '../process/parts.ts';
import { uses } from '../topology.ts';
import { durabilityOf } from './durability.ts';
import { host } from './hosting.ts';

/** Keys never leave the process that has them, so what works with them is in it too. */
export async function startTrust(parts: RoleParts): Promise<RunningRole> {
  const { env, config, log, metrics, stack } = parts;
  const durability = durabilityOf(config);
  const engines = await openTrust({ env, log, durability }, config);
  // In reverse: the keystore last, which the audit log signs with.
  for (const one of [engines.kms, engines.audit, engines.cosigned, engines.passports]) stack.use(one);
  const names = Object.entries(uses).map(([name, used]) => [name, used.flatMap(rightsFor)] as const);
  const plane = await openTrustPlane({ env, config, log, metrics, engines, serviceRights: new Map(names) });
  const stages = { authenticator: plane.authenticator, policy: plane.policy.stage, audit: plane.audit };
  const hosted = [];
  for (const service of [kms, policy, audit, passport, registry] as const) {
    const name = service.contract.name as 'kms';
    const table = underPolicy<object>(config.table(name), plane.policy);
    hosted.push(await host(service, parts, { config: table, engines: plane.serviceEngines[name], stages }));
  }
  const asked = hosted.find(({ name }) => name === 'passport')!;
  const me = servicePrincipal('auth', rightsFor(passportContract));
  const feed = bindLocal(passportContract, () => asked.dispatcher, me, env);
  stack.use(await plane.follow({ since: (since, wait_ms) => feed.revocations({ since, wait_ms }) }));
  const own = {
    chains: plane.authority.chains,
    policy: plane.policy,
    log: plane.audit,
    names: await nameSigner(engines.kms),
  };
  const never = { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
  const inside = await host(trust, parts, { config: never, engines: own });
  return {
    hosted: [...hosted, inside],
    publicly: hosted.map(({ dispatcher }) => dispatcher),
    privately: [asked.dispatcher, inside.dispatcher],
    controlBytesMax: () => controlBytesUnderPolicy(plane.policy),
    // A bootstrap secret that was shown stays good until the node is started again.
    facts: parts.order.isFirst ? await ownerFacts(plane, parts) : {},
    gates: () => [damageGate(engines.damage, config.table('disk').current().accept_lost_changes)],
  };
}

async function ownerFacts({ authority, passports }: TrustPlane, { env, config }: RoleParts): Promise<Facts> {
  const capability = authority.mint({
    subject: 'owner',
    rights: [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }],
    expiresMs: env.clock.wallMs() + config.table('server').current().owner_capability_days * 86_400_000,
  });
  if (durabilityOf(config) === 'memory') return { capability };
  const secret = passports.bootstrapSecret() ?? (await passports.renewBootstrapSecret());
  return { capability, ...(secret === undefined ? {} : { bootstrapSecret: secret.text() }) };
}

function damageGate([first]: readonly string[], accepted: boolean): Gate {
  if (first === undefined || accepted) return { gate: 'trust-records', ok: true };
  return { gate: 'trust-records', ok: false, reason: `changes were lost: ${first}` };
}
