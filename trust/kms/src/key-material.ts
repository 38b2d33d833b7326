import { createPrivateKey, createPublicKey, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { KeyAlgorithm } from './key-id.ts';

/** A key inside OpenSSL, outside the JavaScript heap. */
export interface KeyMaterial {
  readonly key: KeyObject;
  /** The raw public key; empty for what has none. */
  readonly publicBytes: Uint8Array;
  readonly publicKey: KeyObject | undefined;
}

/** Of every algorithm: an Ed25519 seed (RFC 8032), an ML-DSA seed ξ (FIPS 204, 6.1), a MAC key, an AES-256 key. */
export const secretBytes = 32;

/** Copies the secret into OpenSSL; the caller overwrites its own bytes. */
export function importKey(alg: KeyAlgorithm, secret: Uint8Array): KeyMaterial {
  if (secret.byteLength !== secretBytes) throw new Error('malformed key');
  if (alg === 'hmac' || alg === 'aes-256-gcm') {
    return { key: createSecretKey(secret), publicBytes: new Uint8Array(0), publicKey: undefined };
  }
  // A view of the same memory: no second copy of the secret is made here.
  const raw = Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength);
  const key = createPrivateKey({ key: raw, format: rawFormat(alg), asymmetricKeyType: alg });
  const publicKey = createPublicKey(key);
  return { key, publicBytes: new Uint8Array(publicKey.export({ format: 'raw-public' })), publicKey };
}

/** A copy that the caller overwrites. */
export function exportKey(alg: KeyAlgorithm, key: KeyObject): Uint8Array {
  if (alg === 'hmac' || alg === 'aes-256-gcm') return key.export();
  return key.export({ format: rawFormat(alg) });
}

/**
 * What identifies a key without telling anything about its secret: the public half, or for a symmetric key 32 bytes of
 * HKDF with a salt of their own, which neither `mac`, `derive` nor a wrapped value ever contains.
 */
export function identifyingBytes(alg: KeyAlgorithm, material: KeyMaterial): Uint8Array {
  if (material.publicKey !== undefined) return material.publicBytes;
  return new Uint8Array(hkdfSync('sha512', material.key, 'ron-kms key check v1', alg, 32));
}

function rawFormat(alg: 'ed25519' | 'ml-dsa-65'): 'raw-private' | 'raw-seed' {
  return alg === 'ed25519' ? 'raw-private' : 'raw-seed';
}
