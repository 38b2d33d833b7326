import { rightsAllow } from '@ron/cap';
import type { Authority } from './authority.ts';
import type { Caller } from './principal.ts';

export interface Credential {
  /** As presented. Absent: the caller has no capability. */
  readonly token?: string | Uint8Array | undefined;
}

/** The authentication stage of the pipeline. */
export interface Authenticator {
  /** Throws `unauthenticated` for a token that is not valid. Without one, the caller is anonymous. */
  authenticate(credential: Credential, remote: string): Caller;
}

export interface AuthenticatorOptions {
  readonly authority: Authority;
  /** Resources that everybody may read without a capability: `n/docs/`, `o/`. Read anew for each request. */
  readonly publicPrefixes: () => readonly string[];
}

/**
 * A request that shows a capability is judged by it alone: public prefixes do not add to it, so a holder can
 * attenuate away even what strangers may read.
 */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const anonymous: Caller = Object.freeze({
    subject: 'anonymous',
    capabilityId: 'anonymous',
    tenant: '',
    limits: {},
    anonymous: true,
    allows: (method, resource) => method === 'read' && isPublic(options.publicPrefixes(), resource),
  } satisfies Caller);
  return {
    authenticate: (credential, remote) =>
      credential.token === undefined ? anonymous : options.authority.verify(credential.token, { remote }),
  };
}

/** Only content and names can be public: a careless empty prefix must not open administration. */
function isPublic(prefixes: readonly string[], resource: string): boolean {
  if (!resource.startsWith('n/') && !resource.startsWith('o/')) return false;
  return prefixes.some((prefix) => rightsAllow([{ methods: ['read'], prefix }], 'read', resource));
}
