import type { Handlers } from '@ron/proto/contract';
import type { policyContract } from '@ron/proto/policy';
import type { PolicyEngine } from '../engine.ts';

export function createHash(engine: PolicyEngine): Handlers<typeof policyContract>['hash'] {
  return () => {
    const active = engine.current();
    if (active === undefined) return { version: 0 };
    const { id, version, document } = active;
    return { policy: id, version, expires_at: document.expires_at, expired: engine.expired };
  };
}
