import type { AuditLog } from '@ron/audit';
import {
  type Authenticator,
  type Authority,
  createAuthenticator,
  createAuthority,
  createRevocationFollower,
  type RevocationFollower,
  type RevocationSource,
  Strangers,
} from '@ron/auth';
import type { Env, Log, Metrics } from '@ron/kernel';
import { openPolicyEngine, type PolicyEngine, type PolicySigner } from '@ron/policy';
import type { Right } from '@ron/proto/capability';
import type { GatewayConfig } from '@ron/svc-gateway/service';
import { openPassportStore, type PassportStore } from '@ron/svc-passport/service';
import { createGenesis, createNodeSigner, type RegistryEngines } from '@ron/svc-registry/service';
import type { PolicyRootsConfig, Reads, ServerConfig } from './config.ts';
import { underPolicy } from './policy-overlay.ts';
import type { TrustEngines } from './trust-engines.ts';

type Roots = Reads<'policy', PolicyRootsConfig>;

export interface TrustPlaneOptions {
  readonly env: Env;
  readonly config: Reads<'server', Pick<ServerConfig, 'audience'>> & Reads<'gateway', GatewayConfig> & Roots;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly engines: TrustEngines;
  /** By a service's name, what it needs of those that it uses. */
  readonly serviceRights: ReadonlyMap<string, readonly Right[]>;
}

/** What decides about every request of a node, and what its trust services work on. */
export interface TrustPlane {
  readonly authority: Authority;
  readonly authenticator: Authenticator;
  readonly policy: PolicyEngine;
  readonly audit: AuditLog;
  readonly passports: PassportStore;
  /** The newest revocation that is in force. */
  readonly revocationSeq: number;
  /** Engines of the trust services by name. */
  readonly serviceEngines: Readonly<Record<string, unknown>>;
  /** Begins to hear revocations, without which nothing may be changed; resolves once they have been heard, or after 5 s. */
  follow(source: RevocationSource): Promise<AsyncDisposable>;
}

const firstHeardMsMax = 5_000;

export async function openTrustPlane(options: TrustPlaneOptions): Promise<TrustPlane> {
  const { env, config, log, metrics, engines, serviceRights } = options;
  const { kms, audit, cosigned } = engines;
  const refused = metrics.counter('capability_refused_total', 'Capabilities that were not accepted', ['reason']);
  const authority = await createAuthority({
    kms,
    env,
    audience: config.table('server').current().audience,
    strangers: new Strangers(env.clock),
    onRefusal: (reason, capability_id) => {
      refused.labels({ reason }).inc();
      log.info({ reason, capability_id }, 'capability refused');
    },
  });
  const policy = await openPolicyEngine({ env, table: engines.policies, metrics, ...policyRoots(config) });
  const passports = await openPassportStore(engines.passports, env);
  const gateway = underPolicy(config.table('gateway'), policy);
  let follower: RevocationFollower | undefined;
  const authenticator = createAuthenticator({
    authority,
    publicPrefixes: () => gateway.current().public_prefixes,
    revocationFeed: {
      refusal: () => (follower === undefined ? 'the revocation feed has not been heard yet' : follower.refusal()),
    },
  });
  return {
    authority,
    authenticator,
    policy,
    audit,
    passports,
    get revocationSeq() {
      return follower?.seq ?? 0;
    },
    serviceEngines: {
      kms: { kms },
      passport: { authority, kms, passports, serviceRights },
      policy: { policy },
      audit: { log: audit, cosigned },
      registry: await registryEngines(options),
    },
    async follow(source) {
      const heard = Promise.withResolvers<void>();
      const timer = env.clock.after(firstHeardMsMax, heard.resolve);
      follower = createRevocationFollower({
        source,
        list: authority.revocations,
        env,
        onState: (state) => {
          log.info({ state }, 'revocation feed');
          heard.resolve();
        },
        onFault: (err) => log.warn({ err }, 'the revocation feed failed: asked again'),
      });
      await heard.promise;
      timer.cancel();
      return follower;
    },
  };
}

/** A node that stands alone signs its first snapshot itself, and the same again before it expires. */
async function registryEngines({
  env,
  engines: { kms, registry, audit },
}: TrustPlaneOptions): Promise<RegistryEngines> {
  const nodeSigner = await createNodeSigner({ kms });
  const signers = nodeSigner.signers().slice(0, 1);
  const genesis = async () => (await createGenesis({ env, kms })).text;
  return { table: registry, roots: { signers, threshold: 1 }, genesis, nodeSigner, audit };
}

function policyRoots(config: Roots): {
  readonly rootSigners: readonly PolicySigner[];
  readonly rootThreshold?: number;
} {
  const { root_signers, root_threshold } = config.table('policy').current();
  const rootSigners = root_signers.map((text) => {
    const [name = '', ed25519 = '', ml_dsa_65] = text.split(':');
    return { name, ed25519, ...(ml_dsa_65 === undefined ? {} : { ml_dsa_65 }) };
  });
  return { rootSigners, ...(root_threshold === 0 ? {} : { rootThreshold: root_threshold }) };
}
