import { rightsAllow } from '@ron/cap';
import type { Caller } from './principal.ts';
import type { Verifier } from './verifier.ts';

export interface Credential {
  /** As presented. Absent: the caller has no capability. */
  readonly token?: string | Uint8Array | undefined;
  /** The text of `ron-proof`, for a capability that is bound to a key. */
  readonly proof?: string | undefined;
  /** What the proof was made for: `GET /path?query` as sent over HTTP, `<app>/<op>` over OAP. */
  readonly request?: string | undefined;
}

/** The authentication stage of the pipeline. */
export interface Authenticator {
  /**
   * Throws `unauthenticated` for a token that is not valid. Without one, the caller is anonymous. A promise only while
   * the first Ed25519 chain's library loads.
   */
  authenticate(credential: Credential, remote: string): Caller | Promise<Caller>;
  /** Why no mutation may be accepted now; undefined when they may. The pipeline answers `unavailable`. */
  mutationRefusal(): string | undefined;
}

export interface AuthenticatorOptions {
  readonly authority: Pick<Verifier, 'verify'>;
  /** Resources that everybody may read without a capability: `n/docs/`, `o/`. Read anew for each request. */
  readonly publicPrefixes: () => readonly string[];
  /** The revocation follower of a node that is fed by another: absent where revocations are made in this process. */
  readonly revocationFeed?: { refusal(): string | undefined };
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
    authenticate({ token, proof, request }, remote) {
      return token === undefined ? anonymous : options.authority.verify(token, { remote, proof, request });
    },
    mutationRefusal: () => options.revocationFeed?.refusal(),
  };
}

/** Only content and names can be public: a careless empty prefix must not open administration. */
function isPublic(prefixes: readonly string[], resource: string): boolean {
  if (!resource.startsWith('n/') && !resource.startsWith('o/')) return false;
  return prefixes.some((prefix) => rightsAllow([{ methods: ['read'], prefix }], 'read', resource));
}
