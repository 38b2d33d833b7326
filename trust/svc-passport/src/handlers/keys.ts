import { rootKeyPurpose } from '@ron/auth';
import type { Env } from '@ron/kernel';
import type { Kms } from '@ron/kms';
import { addressFromHash, etagOf } from '@ron/naming';
import type { JwkSet } from '@ron/proto/passport';
import { ResidentBody } from '@ron/proto/stream';
import type { RevocationFeed } from '../store/feed.ts';
import type { PassportHandler } from './handler.ts';

/** The keys of Ed25519 capabilities. A version leaves the set when it no longer verifies, or was revoked. */
const capabilityKeys = { ...rootKeyPurpose, alg: 'ed25519' } as const;
/** A rotated key verifies from the moment it is made, so who caches the set for a minute misses only the newest. */
const cacheControl = 'public, max-age=60';

export function createKeys(kms: Kms, feed: RevocationFeed, work: Env['work']): PassportHandler<'keys'> {
  return ({ if_none_match }) => {
    const bytes = new TextEncoder().encode(JSON.stringify(jwkSetOf(kms, feed)));
    const etag = etagOf(addressFromHash(work.blake3(bytes)));
    const cached = { etag, cache_control: cacheControl };
    if (if_none_match !== undefined && isKnown(if_none_match, etag)) {
      return { output: { ...cached, http_status: 304 }, body: new ResidentBody(new Uint8Array(0)) };
    }
    return {
      output: { ...cached, http_status: 200, content_type: 'application/jwk-set+json' },
      body: new ResidentBody(bytes),
    };
  };
}

/** RFC 7517, with key parameters of RFC 8037. */
function jwkSetOf(kms: Kms, feed: RevocationFeed): JwkSet {
  const verifying = kms
    .listKeys(capabilityKeys)
    .filter(({ state }) => state === 'active' || state === 'verifying')
    .filter(({ kid }) => !feed.holds({ kind: 'key', kid }));
  return {
    keys: verifying.map(({ kid }) => ({
      kty: 'OKP',
      crv: 'Ed25519',
      x: Buffer.from(kms.publicKey(kid)).toString('base64url'),
      kid,
      alg: 'EdDSA',
      use: 'sig',
    })),
  };
}

/** RFC 9110, 13.1.2: `*`, or a list in which a tag equals ours; our tags hold no comma. */
function isKnown(header: string, etag: string): boolean {
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return header.trim() === '*' || tags.includes(etag);
}
