import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import type { Clock, Random } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { createUuid, formatKeyId, type KeyAlgorithm, parseKeyId } from './key-id.ts';
import { type KeyFilter, type KeyInfo, type KeyRequest, keysMax } from './kms.ts';

/** A key as the sealed file keeps it. `secret` is the Ed25519 seed or the MAC key, 32 bytes. */
export interface StoredKey {
  readonly kid: string;
  readonly createdAtMs: number;
  readonly secret: Uint8Array;
}

interface HeldKey {
  readonly info: KeyInfo;
  /** Held by OpenSSL, outside the JavaScript heap. */
  readonly key: KeyObject;
  /** The raw public key; empty for `hmac`. */
  readonly publicBytes: Uint8Array;
  readonly publicKey: KeyObject | undefined;
}

export const secretBytes = 32;

/** OpenSSL's name of SHA-512/256: the 512-bit hash with its own initial values, cut to 32 bytes (FIPS 180-4, 5.3.6.2). */
const macDigest = 'sha512-256';

/** RFC 8410, section 7: the DER of a PKCS #8 Ed25519 key up to its 32-byte seed. */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The keys of one engine, in memory. */
export class KeyRing {
  readonly #keys = new Map<string, HeldKey>();

  /** A fresh key that is not on the ring yet: an engine stores it first, then calls `add`. */
  static generate(request: KeyRequest, clock: Clock, random: Random): StoredKey {
    const kid = formatKeyId({
      tenant: request.tenant,
      purpose: request.purpose,
      alg: request.alg,
      uuid: createUuid(clock, random),
      version: 1,
    });
    return { kid, createdAtMs: clock.wallMs(), secret: random.bytes(secretBytes) };
  }

  get size(): number {
    return this.#keys.size;
  }

  refuseWhenFull(): void {
    if (this.#keys.size >= keysMax) {
      throw new RonError('insufficient_storage', `a keystore holds at most ${keysMax} keys`);
    }
  }

  /** Copies the secret into OpenSSL and overwrites the caller's bytes. */
  add(stored: StoredKey): KeyInfo {
    const id = parseKeyId(stored.kid);
    if (id === undefined || stored.secret.byteLength !== secretBytes) throw new Error('malformed key');
    const { tenant, purpose, alg, version } = id;
    const info = Object.freeze({ kid: stored.kid, tenant, purpose, alg, version, createdAtMs: stored.createdAtMs });
    this.#keys.set(stored.kid, { info, ...importSecret(alg, stored.secret) });
    stored.secret.fill(0);
    return info;
  }

  list(filter: KeyFilter = {}): readonly KeyInfo[] {
    const matches = (info: KeyInfo) =>
      (filter.tenant ?? info.tenant) === info.tenant &&
      (filter.purpose ?? info.purpose) === info.purpose &&
      (filter.alg ?? info.alg) === info.alg;
    return [...this.#keys.values()].map((held) => held.info).filter(matches);
  }

  sign(kid: string, bytes: Uint8Array): Uint8Array {
    return sign(null, bytes, this.#find(kid, 'ed25519').key);
  }

  verify(kid: string, bytes: Uint8Array, signature: Uint8Array): boolean {
    const held = this.#keys.get(kid);
    if (held?.publicKey === undefined || signature.byteLength !== 64) return false;
    return verify(null, bytes, held.publicKey, signature);
  }

  publicKey(kid: string): Uint8Array {
    return this.#find(kid, 'ed25519').publicBytes.slice();
  }

  mac(kid: string, bytes: Uint8Array): Uint8Array {
    return createHmac(macDigest, this.#find(kid, 'hmac').key).update(bytes).digest();
  }

  /** Copies of every secret, for sealing; the caller overwrites them. */
  exportSecrets(): StoredKey[] {
    return [...this.#keys.values()].map(({ info, key }) => ({
      kid: info.kid,
      createdAtMs: info.createdAtMs,
      secret: exportSecret(info.alg, key),
    }));
  }

  clear(): void {
    this.#keys.clear();
  }

  #find(kid: string, alg: KeyAlgorithm): HeldKey {
    const held = this.#keys.get(kid);
    if (held === undefined || held.info.alg !== alg) throw new RonError('not_found', 'no such key');
    return held;
  }
}

function importSecret(alg: KeyAlgorithm, secret: Uint8Array): Omit<HeldKey, 'info'> {
  if (alg === 'hmac') return { key: createSecretKey(secret), publicBytes: new Uint8Array(0), publicKey: undefined };
  const der = Buffer.concat([pkcs8Head, secret]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  const publicKey = createPublicKey(key);
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return { key, publicBytes: new Uint8Array(spki.subarray(spki.byteLength - 32)), publicKey };
}

function exportSecret(alg: KeyAlgorithm, key: KeyObject): Uint8Array {
  if (alg === 'hmac') return key.export();
  const der = key.export({ format: 'der', type: 'pkcs8' });
  const seed = new Uint8Array(der.subarray(der.byteLength - secretBytes));
  der.fill(0);
  return seed;
}
