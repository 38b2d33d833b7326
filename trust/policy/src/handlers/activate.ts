import type { Handlers } from '@ron/proto/contract';
import type { policyContract } from '@ron/proto/policy';
import type { PolicyEngine } from '../engine.ts';
import { signedText, wireActivation } from '../wire.ts';

export function createActivate(engine: PolicyEngine): Handlers<typeof policyContract>['activate'] {
  return async (input) => wireActivation(await engine.activate(signedText(input)));
}
