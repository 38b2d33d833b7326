import { rightsAllow } from '@ron/cap';
import type { CapabilityView } from '@ron/proto/capability';
import { RonError } from '@ron/proto/errors';
import type { AuthenticatedPrincipal, Authenticator } from '@ron/service';

/** Questions about operators' tokens at a time. */
const askingMax = 16;

/**
 * For the front's own operations, which are rare: a backend is asked about the token each time, so that what was revoked
 * is refused with its next use. A token that is bound to a key does not work here.
 */
export function createFrontAuthenticator(
  whose: (token: string | Uint8Array, remote: string) => Promise<CapabilityView | undefined>,
): Authenticator {
  let asking = 0;
  return {
    async authenticate({ token }, remote) {
      if (token === undefined) return nobody;
      if (asking >= askingMax)
        throw new RonError('unavailable', 'too many operators at once', {
          retryAfterMs: 250,
          details: { gate: 'queue' },
        });
      asking += 1;
      try {
        const view = await whose(token, remote);
        if (view === undefined) throw new RonError('unauthenticated', 'the capability is not valid here');
        return principalOf(view);
      } finally {
        asking -= 1;
      }
    },
  };
}

const nobody: AuthenticatedPrincipal = {
  subject: 'anonymous',
  capabilityId: '',
  tenant: '',
  limits: {},
  anonymous: true,
  allows: () => false,
};

function principalOf({ id, subject, tenant, rights }: CapabilityView): AuthenticatedPrincipal {
  return {
    subject,
    capabilityId: id,
    tenant,
    limits: {},
    // Every list of a chain must allow it; no list allows nothing.
    allows: (method, resource) => rights.length > 0 && rights.every((list) => rightsAllow(list, method, resource)),
  };
}
