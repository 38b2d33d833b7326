import { sha256 } from '@noble/hashes/sha2.js';
import { RonError } from '@ron/proto/errors';
import { encodeBase64, parseBase64 } from './base64.ts';

/** Signature types of c2sp.org/signed-note: what a log signs with, and what a witness cosigns with. */
const signatureTypes = { ed25519: 1, cosignature: 4 } as const;
export type SignatureType = keyof typeof signatureTypes;

const publicKeyBytes = 32;

export interface VerifierKey {
  readonly name: string;
  /** The first 32 bits of the hash of name, type and key. */
  readonly id: number;
  readonly type: SignatureType;
  /** Ed25519, 32 raw bytes. */
  readonly publicKey: Uint8Array;
}

const namePattern = /^[^\s+\p{Cc}\p{Z}]{1,256}$/u;

/** A schema-less URL, as a rule: no space, no plus sign, 1–256 characters. */
export function isKeyName(name: string): boolean {
  return namePattern.test(name);
}

/** Throws a `RangeError` for a name or key of the wrong form. */
export function createVerifierKey(name: string, type: SignatureType, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw new RangeError('a key name has 1 to 256 characters, no space and no plus sign');
  if (publicKey.byteLength !== publicKeyBytes) throw new RangeError('an Ed25519 public key has 32 bytes');
  const label = new TextEncoder().encode(`${name}\n`);
  const hashed = new Uint8Array(label.byteLength + 1 + publicKeyBytes);
  hashed.set(label);
  hashed[label.byteLength] = signatureTypes[type];
  hashed.set(publicKey, label.byteLength + 1);
  const digest = sha256(hashed);
  const id = new DataView(digest.buffer, digest.byteOffset).getUint32(0);
  return { name, id, type, publicKey };
}

/** `name+hex(id)+base64(type ‖ key)`. */
export function encodeVerifierKey({ name, id, type, publicKey }: VerifierKey): string {
  const material = new Uint8Array(1 + publicKeyBytes);
  material[0] = signatureTypes[type];
  material.set(publicKey, 1);
  return `${name}+${hexOf(id)}+${encodeBase64(material)}`;
}

/** Refuses (`bad_request`) a malformed key, one of another signature type, and an id that is not the key's. */
export function parseVerifierKey(text: string): VerifierKey {
  const [name, hex, material, ...rest] = splitKey(text);
  const bytes = material === undefined ? undefined : parseBase64(material);
  const type = (Object.keys(signatureTypes) as SignatureType[]).find((each) => signatureTypes[each] === bytes?.[0]);
  if (name === undefined || !isKeyName(name) || rest.length > 0 || bytes === undefined || type === undefined) {
    throw new RonError('bad_request', 'a verifier key is name+hash+key, of an Ed25519 key');
  }
  if (bytes.byteLength !== 1 + publicKeyBytes) throw new RonError('bad_request', 'an Ed25519 public key has 32 bytes');
  const key = createVerifierKey(name, type, bytes.slice(1));
  if (hex !== hexOf(key.id)) throw new RonError('bad_request', 'the verifier key’s hash is not that of its key');
  return key;
}

/** The key itself may hold plus signs: base 64 has them. */
function splitKey(text: string): string[] {
  const first = text.indexOf('+');
  const second = text.indexOf('+', first + 1);
  return first < 0 || second < 0 ? [] : [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

function hexOf(id: number): string {
  return id.toString(16).padStart(8, '0');
}
