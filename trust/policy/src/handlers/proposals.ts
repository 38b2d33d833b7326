import type { Handlers } from '@ron/proto/contract';
import type { policyContract } from '@ron/proto/policy';
import type { PolicyEngine } from '../engine.ts';
import { wireState } from '../wire.ts';

export function createProposals(engine: PolicyEngine): Handlers<typeof policyContract>['proposals'] {
  return () => ({ proposals: engine.proposals().map((state) => wireState(state)) });
}
