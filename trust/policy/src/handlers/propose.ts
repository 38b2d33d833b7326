import type { Handlers } from '@ron/proto/contract';
import type { policyContract } from '@ron/proto/policy';
import type { PolicyEngine } from '../engine.ts';
import { signedText, wireState } from '../wire.ts';

export function createPropose(engine: PolicyEngine): Handlers<typeof policyContract>['propose'] {
  return async (input) => wireState(await engine.propose(signedText(input)));
}
