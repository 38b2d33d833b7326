import { createHmac, hkdfSync, sign, timingSafeEqual, verify } from 'node:crypto';
import type { Random } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { KeyAlgorithm } from './key-id.ts';
import { secretBytes } from './key-material.ts';
import { type KeyRing, noSuchKey } from './key-ring.ts';
import { type Kms, kmsLimits, type RewrapItem, type RewrapReport, type RewrapResult } from './kms.ts';
import { Secret } from './secret.ts';
import { doesNotOpen, openBytes, refuseOver, sealBytes, wrappedVersion } from './wrapping.ts';

/** OpenSSL's name of SHA-512/256: the 512-bit hash with its own initial values, cut to 32 bytes (FIPS 180-4, 5.3.6.2). */
const macDigest = 'sha512-256';
/** HMAC with the full 512-bit hash is another function than `macDigest`: nothing that is derived was ever a tag. */
const deriveDigest = 'sha512';
const deriveSalt = 'ron-kms derive v1';

const signatureBytes: Readonly<Partial<Record<KeyAlgorithm, number>>> = { ed25519: 64, 'ml-dsa-65': 3_309 };
const signing: readonly KeyAlgorithm[] = ['ed25519', 'ml-dsa-65'];
const tagging: readonly KeyAlgorithm[] = ['hmac'];
const wrapping: readonly KeyAlgorithm[] = ['aes-256-gcm'];

type Work = Pick<Kms, 'sign' | 'verify' | 'publicKey' | 'mac' | 'verifyMac' | 'derive'> &
  Pick<Kms, 'wrap' | 'unwrap' | 'generateDataKey' | 'rewrap' | 'listKeys' | 'currentKey' | 'destruction'>;

/** What keys do, over the ring of any engine that holds its keys in memory. */
export class KeyWork implements Work {
  readonly #ring: KeyRing;
  readonly #random: Random;

  constructor(ring: KeyRing, random: Random) {
    this.#ring = ring;
    this.#random = random;
  }

  readonly listKeys: Kms['listKeys'] = (filter) => this.#ring.list(filter);
  readonly currentKey: Kms['currentKey'] = (filter) => this.#ring.current(filter);
  readonly destruction: Kms['destruction'] = (kid) => this.#ring.get(kid)?.destruction;

  readonly sign = (kid: string, bytes: Uint8Array): Uint8Array =>
    sign(null, bytes, this.#ring.making(kid, signing).key);

  readonly verify: Kms['verify'] = (kid, bytes, signature) => {
    const held = this.#ring.get(kid);
    const publicKey = held?.material?.publicKey;
    if (held === undefined || publicKey === undefined || held.info.state === 'retired') return false;
    return signature.byteLength === signatureBytes[held.info.alg] && verify(null, bytes, publicKey, signature);
  };

  readonly publicKey: Kms['publicKey'] = (kid) => {
    const material = this.#ring.get(kid)?.material;
    if (material?.publicKey === undefined) throw noSuchKey();
    return material.publicBytes.slice();
  };

  readonly mac: Kms['mac'] = (kid, bytes) =>
    createHmac(macDigest, this.#ring.checking(kid, tagging).key).update(bytes).digest();

  readonly verifyMac: Kms['verifyMac'] = (kid, bytes, tag) => {
    const held = this.#ring.get(kid);
    const live = held?.info.state === 'active' || held?.info.state === 'verifying';
    if (!live || held.info.alg !== 'hmac' || tag.byteLength !== 32) return false;
    return timingSafeEqual(this.mac(kid, bytes), tag);
  };

  readonly derive: Kms['derive'] = (kid, info, lengthBytes) => {
    const { key } = this.#ring.checking(kid, tagging);
    refuseOver(info, kmsLimits.infoBytesMax, 'info');
    if (!Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > kmsLimits.derivedBytesMax) {
      throw new RonError('bad_request', `between 1 and ${kmsLimits.derivedBytesMax} bytes can be derived`);
    }
    return new Secret(new Uint8Array(hkdfSync(deriveDigest, key, deriveSalt, info, lengthBytes)));
  };

  readonly wrap = (kid: string, plaintext: Uint8Array, aad: Uint8Array): Uint8Array => {
    const { key } = this.#ring.making(kid, wrapping);
    const version = this.#ring.get(kid)!.info.version;
    return sealBytes({ kid, version, key }, this.#random.bytes(12), plaintext, aad);
  };

  readonly unwrap = (kidOrUuid: string, wrapped: Uint8Array, aad: Uint8Array): Secret => {
    const kid = this.#ring.versionOf(kidOrUuid, wrappedVersion(wrapped));
    return new Secret(openBytes({ kid, key: this.#ring.checking(kid, wrapping).key }, wrapped, aad));
  };

  readonly generateDataKey = (kid: string, aad: Uint8Array): { plaintext: Secret; wrapped: Uint8Array } => {
    const bytes = this.#random.bytes(secretBytes);
    const wrapped = this.wrap(kid, bytes, aad);
    return { plaintext: new Secret(bytes), wrapped };
  };

  readonly rewrap = (kidOrUuid: string, items: readonly RewrapItem[]): RewrapReport => {
    const { rewrapItemsMax } = kmsLimits;
    if (items.length > rewrapItemsMax) {
      throw new RonError('payload_too_large', `at most ${rewrapItemsMax} values are rewrapped in one call`);
    }
    const newest = this.#ring.activeOf(kidOrUuid);
    if (newest?.info.alg !== 'aes-256-gcm') throw noSuchKey();
    const { kid, version } = newest.info;
    const results = items.map((item) => this.#rewrapOne(kid, version, item));
    const count = (outcome: RewrapResult['outcome']) => results.filter((each) => each.outcome === outcome).length;
    return { kid, results, done: count('done'), unchanged: count('unchanged'), failed: count('failed') };
  };

  #rewrapOne(kid: string, version: number, { wrapped, aad }: RewrapItem): RewrapResult {
    try {
      // Opened even when it is new already: `unchanged` promises that it opens.
      using plaintext = this.unwrap(kid, wrapped, aad);
      if (wrappedVersion(wrapped) === version) return { outcome: 'unchanged', wrapped };
      return { outcome: 'done', wrapped: this.wrap(kid, plaintext.bytes(), aad) };
    } catch (error) {
      if (error instanceof RonError && itemRefusals.has(error.code)) return { outcome: 'failed' };
      throw error;
    }
  }
}

/** Of one item: it is malformed, too long, or of a version that is gone. Anything else fails the whole call. */
const itemRefusals: ReadonlySet<string> = new Set([doesNotOpen().code, noSuchKey().code, 'payload_too_large']);
