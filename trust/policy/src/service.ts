import { policyContract } from '@ron/proto/policy';
import { defineService, type Ports } from '@ron/service';
import { type Static, Type } from 'typebox';
import type { PolicyEngine } from './engine.ts';
import { gatesOf } from './gates.ts';
import { createActivate } from './handlers/activate.ts';
import { createApprove } from './handlers/approve.ts';
import { createCurrent } from './handlers/current.ts';
import { createExplain } from './handlers/explain.ts';
import { createHash } from './handlers/hash.ts';
import { createHistory } from './handlers/history.ts';
import { createProposal } from './handlers/proposal.ts';
import { createProposals } from './handlers/proposals.ts';
import { createPropose } from './handlers/propose.ts';

/** The engine is opened by the profile, whose pipeline asks its stage; the service closes it when it stops. */
export interface PolicyEngines {
  readonly policy: PolicyEngine;
}

const PolicyConfig = Type.Object({}, { additionalProperties: false });
type PolicyPorts = Ports<Static<typeof PolicyConfig>, Record<never, never>, PolicyEngines>;

export const policy = defineService({
  contract: policyContract,
  config: PolicyConfig,
  uses: {},
  async start({ engines: { policy: engine } }: PolicyPorts) {
    return {
      handlers: {
        hash: createHash(engine),
        current: createCurrent(engine),
        history: createHistory(engine),
        activate: createActivate(engine),
        propose: createPropose(engine),
        approve: createApprove(engine),
        proposals: createProposals(engine),
        proposal: createProposal(engine),
        explain: createExplain(engine),
      },
      gates: () => gatesOf(engine),
      [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
    };
  },
});
