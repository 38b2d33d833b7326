import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { policyContract } from '@ron/proto/policy';
import type { PolicyEngine } from '../engine.ts';
import { wireSigned } from '../wire.ts';

export function createCurrent(engine: PolicyEngine): Handlers<typeof policyContract>['current'] {
  return () => {
    const active = engine.current();
    if (active === undefined) throw new RonError('not_found', 'this node has no policy');
    const { id, version, document, activatedMs, signed } = active;
    return {
      policy: id,
      version,
      expires_at: document.expires_at,
      activated_at: activatedMs,
      signed: wireSigned(signed),
    };
  };
}
