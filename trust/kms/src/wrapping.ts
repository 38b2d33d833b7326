import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { RonError } from '@ron/proto/errors';
import { kmsLimits } from './kms.ts';

/** version byte · key version, 4 bytes big-endian · nonce, 12 bytes · ciphertext · tag, 16 bytes. */
const [formatVersion, nonceStart, ciphertextStart, tagBytes] = [1, 5, 17, 16];
const wrapOverheadBytes: number = ciphertextStart + tagBytes;
const cipherName = 'aes-256-gcm';

export interface WrapKey {
  readonly kid: string;
  readonly version: number;
  readonly key: KeyObject;
}

export function sealBytes(by: WrapKey, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  refuseOver(plaintext, kmsLimits.plaintextBytesMax, 'plaintext');
  refuseOver(aad, kmsLimits.aadBytesMax, 'aad');
  const cipher = createCipheriv(cipherName, by.key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(boundAad(by.kid, aad));
  const wrapped = new Uint8Array(wrapOverheadBytes + plaintext.byteLength);
  wrapped[0] = formatVersion;
  new DataView(wrapped.buffer).setUint32(1, by.version);
  wrapped.set(nonce, nonceStart);
  wrapped.set(cipher.update(plaintext), ciphertextStart);
  // A stream mode: everything came out of `update`.
  cipher.final();
  wrapped.set(cipher.getAuthTag(), ciphertextStart + plaintext.byteLength);
  return wrapped;
}

/** The version of the key that wrapped the bytes. */
export function wrappedVersion(wrapped: Uint8Array): number {
  const longest = wrapOverheadBytes + kmsLimits.plaintextBytesMax;
  if (wrapped.byteLength < wrapOverheadBytes || wrapped.byteLength > longest || wrapped[0] !== formatVersion) {
    throw doesNotOpen();
  }
  return new DataView(wrapped.buffer, wrapped.byteOffset).getUint32(1);
}

/** The caller has checked with `wrappedVersion` that the bytes have this form. */
export function openBytes(by: Omit<WrapKey, 'version'>, wrapped: Uint8Array, aad: Uint8Array): Uint8Array {
  refuseOver(aad, kmsLimits.aadBytesMax, 'aad');
  const tagStart = wrapped.byteLength - tagBytes;
  const nonce = wrapped.subarray(nonceStart, ciphertextStart);
  const decipher = createDecipheriv(cipherName, by.key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(boundAad(by.kid, aad));
  decipher.setAuthTag(wrapped.subarray(tagStart));
  const plaintext = decipher.update(wrapped.subarray(ciphertextStart, tagStart));
  try {
    decipher.final();
  } catch {
    // OpenSSL says no more than that; whatever was changed, the answer is the same.
    plaintext.fill(0);
    throw doesNotOpen();
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
}

export function doesNotOpen(): RonError {
  const message = 'the wrapped bytes do not open with this key and aad';
  return new RonError('bad_request', message, { details: { reason: 'unwrap' } });
}

export function refuseOver(bytes: Uint8Array, bytesMax: number, field: string): void {
  if (bytes.byteLength <= bytesMax) return;
  throw new RonError('payload_too_large', `${field} has at most ${bytesMax} bytes`, { details: { field } });
}

/** A key id holds no NUL, so the parts cannot run into each other. */
function boundAad(kid: string, aad: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`ron-kms wrap v1\0${kid}\0`), aad]);
}
