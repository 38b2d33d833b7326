import { pressureOf } from '@ron/micronode/capacity';
import { openQuotas } from '@ron/micronode/engines';
import { controlBytesUnderPolicy, ratesUnderPolicy, underPolicy } from '@ron/micronode/policy-overlay';
import { publicMailbox } from '@ron/micronode/public-mailbox';
import { auditContract } from '@ron/proto/audit';
import type { Contract } from '@ron/proto/contract';
import { edgeContract } from '@ron/proto/edge';
import { kmsContract } from '@ron/proto/kms';
import { passportContract } from '@ron/proto/passport';
import { policyContract } from '@ron/proto/policy';
import { registryContract } from '@ron/proto/registry';
import { createRelay } from '@ron/service';
import { gateway } from '@ron/svc-gateway/service';
import type { RoleParts, RunningRole } from '../process/parts.ts';
import type { Role } from '../topology.ts';
import { openDecisions } from './decisions.ts';
import { durabilityOf } from './durability.ts';
import { host } from './hosting.ts';

/** What clients ask the processes behind a gateway, which decide about it themselves. */
const relayed: readonly (readonly [Contract, Role])[] = [
  [edgeContract, 'edge'],
  [passportContract, 'trust'],
  [policyContract, 'trust'],
  [auditContract, 'trust'],
  [registryContract, 'trust'],
  [kmsContract, 'trust'],
];

export async function startGateway(parts: RoleParts): Promise<RunningRole> {
  const { env, config, log, stack } = parts;
  const { trust, authenticator } = await openDecisions(parts);
  const { policy, audit } = trust;
  const pressure = stack.adopt(pressureOf(parts), (opened) => opened?.[Symbol.dispose]());
  const quotas = await openQuotas({ env, log, durability: durabilityOf(config) });
  if (quotas !== undefined) stack.use(quotas);
  const engines = { ratesOf: ratesUnderPolicy(config, policy), policy: policy.stage, quotas };
  const hosted = await host(gateway, parts, {
    config: underPolicy(config.table('gateway'), policy),
    engines,
    stages: { authenticator, policy: policy.stage, audit, ...(pressure === undefined ? {} : { pressure }) },
  });
  const relays = relayed.map(([contract, role]) => {
    const pool = parts.publicPool(role);
    return createRelay({
      env,
      contract,
      authenticator,
      // One quota for all that clients ask of a node.
      admit: (admission) => hosted.admit?.(admission),
      send: (call, operation) => pool.call(call, operation),
    });
  });
  return {
    hosted: [hosted],
    publicly: [hosted.dispatcher, publicMailbox(hosted.dispatcher), ...relays],
    controlBytesMax: () => controlBytesUnderPolicy(policy),
    gates: () => pressure?.gates() ?? [],
  };
}
