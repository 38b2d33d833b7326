import type { Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';
import type { Authenticator, PolicyStage } from '@ron/service';
import type { MaySend } from '@ron/svc-overlay/service';

export interface MaySendParts {
  readonly authenticator: Authenticator;
  readonly policy: PolicyStage;
  readonly isBanned: (node: NodeId) => boolean;
  readonly isTrusted: (node: NodeId) => boolean;
  /** What a node is here. */
  readonly principalOf: (node: NodeId) => Principal;
}

/** A node that is trusted reads all objects, others what strangers may read over HTTP; the policy in force can forbid either. */
export function maySend({ authenticator, policy, isBanned, isTrusted, principalOf }: MaySendParts): MaySend {
  return async (address, to) => {
    if (isBanned(to)) return false;
    const resource = `o/${address}`;
    const principal = isTrusted(to) ? principalOf(to) : await authenticator.authenticate({}, `node/${to}`);
    if (!principal.allows('read', resource)) return false;
    try {
      policy.decide({ op: 'overlay.want', method: 'read', resource, principal, tenant: '' });
      return true;
    } catch (error) {
      if (error instanceof RonError && error.code === 'forbidden') return false;
      throw error;
    }
  };
}
