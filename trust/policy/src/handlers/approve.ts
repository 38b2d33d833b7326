import type { Handlers } from '@ron/proto/contract';
import type { policyContract } from '@ron/proto/policy';
import type { PolicyEngine } from '../engine.ts';
import { wireState } from '../wire.ts';

export function createApprove(engine: PolicyEngine): Handlers<typeof policyContract>['approve'] {
  return async ({ policy, signatures }) => wireState(await engine.approve(policy, signatures));
}
