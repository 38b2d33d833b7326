import type { Handlers } from '@ron/proto/contract';
import type { policyContract } from '@ron/proto/policy';
import type { PolicyEngine } from '../engine.ts';

export function createExplain(engine: PolicyEngine): Handlers<typeof policyContract>['explain'] {
  return ({ subject, tenant = '', capability_id = '', method, resource, op = '' }) => {
    const { rules, ...rest } = engine.explain({ op, method, resource, subject, tenant, capabilityId: capability_id });
    return { ...rest, rules: [...rules] };
  };
}
