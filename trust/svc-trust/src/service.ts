import type { AuditLog } from '@ron/audit';
import type { ListedChains } from '@ron/auth';
import type { PolicyEngine } from '@ron/policy';
import { trustContract } from '@ron/proto/trust';
import { defineService, type Ports } from '@ron/service';
import { type Static, Type } from 'typebox';
import { createExamine } from './handlers/examine.ts';
import { createOffer } from './handlers/offer.ts';
import { createProve } from './handlers/prove.ts';
import { createRecord } from './handlers/record.ts';
import { createSignName } from './handlers/sign-name.ts';
import { createState } from './handlers/state.ts';
import type { NamesKey } from './names-key.ts';

export { type FollowedTrust, type FollowOptions, followTrust } from './follow/follow-trust.ts';
export type { NamesKey } from './names-key.ts';

/** Chosen by the profile, which closes them: they decide about the requests of its own process too. */
export interface TrustEngines {
  readonly chains: ListedChains;
  readonly policy: PolicyEngine;
  readonly log: AuditLog;
  readonly names: NamesKey;
}

const TrustConfig = Type.Object({}, { additionalProperties: false });
type TrustPorts = Ports<Static<typeof TrustConfig>, Record<never, never>, TrustEngines>;

/** What other processes of a node need of its keys, policy and log to decide as this one does. */
export const trust = defineService({
  contract: trustContract,
  config: TrustConfig,
  uses: {},
  async start({ engines, env }: TrustPorts) {
    const { chains, log, names } = engines;
    return {
      handlers: {
        examine: createExamine(chains),
        state: createState(engines, env),
        record: createRecord(log),
        prove: createProve(log),
        offer: createOffer(log),
        sign_name: createSignName(names),
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
});
