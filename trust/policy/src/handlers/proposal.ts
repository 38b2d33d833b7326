import type { Handlers } from '@ron/proto/contract';
import type { policyContract } from '@ron/proto/policy';
import type { PolicyEngine } from '../engine.ts';
import { wireSigned, wireState } from '../wire.ts';

export function createProposal(engine: PolicyEngine): Handlers<typeof policyContract>['proposal'] {
  return ({ policy }) => {
    const { state, signed } = engine.proposal(policy);
    return { ...wireState(state), signed: wireSigned(signed) };
  };
}
