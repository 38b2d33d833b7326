import type { Handlers } from '@ron/proto/contract';
import type { policyContract } from '@ron/proto/policy';
import type { PolicyEngine } from '../engine.ts';

export function createHistory(engine: PolicyEngine): Handlers<typeof policyContract>['history'] {
  return () => ({ policies: engine.history().map(({ kind: _, ...policy }) => policy) });
}
