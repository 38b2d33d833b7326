import { parseKeyId } from './key-id.ts';
import type { StoredKey } from './key-ring.ts';
import { KeystoreError } from './keystore-error.ts';
import { keysMax } from './kms.ts';

/** Bytes of the plaintext and of the sealed file. */
export const keystoreBytesMax = 4 * 1024 * 1024;

/** What is sealed: JSON, one key a line, so that an operator who opens it with `age` can read it. Overwrites the secrets. */
export function encodeKeystore(keys: readonly StoredKey[]): Uint8Array {
  const lines = keys.map((key) => {
    const secret = Buffer.from(key.secret.buffer, key.secret.byteOffset, key.secret.byteLength).toString('base64url');
    key.secret.fill(0);
    return JSON.stringify({ kid: key.kid, created_at: key.createdAtMs, secret });
  });
  return new TextEncoder().encode(`{"v":1,"keys":[\n${lines.join(',\n')}\n]}\n`);
}

/** Strict: an unknown field, a second spelling or a duplicate key is damage, not something to guess about. */
export function decodeKeystore(plaintext: Uint8Array): StoredKey[] {
  const document = parseJson(plaintext);
  if (!isRecord(document) || document.v !== 1 || !Array.isArray(document.keys)) {
    throw damaged('the keystore has an unknown format');
  }
  if (document.keys.length > keysMax) throw damaged(`a keystore holds at most ${keysMax} keys`);
  const keys = document.keys.map(decodeKey);
  if (new Set(keys.map((key) => key.kid)).size !== keys.length) throw damaged('the keystore names a key twice');
  return keys;
}

function decodeKey(value: unknown): StoredKey {
  if (!isRecord(value) || Object.keys(value).sort().join() !== 'created_at,kid,secret') {
    throw damaged('a key of the keystore is malformed');
  }
  const { kid, created_at: createdAtMs, secret } = value;
  if (typeof kid !== 'string' || parseKeyId(kid) === undefined) throw damaged('a key of the keystore has no valid id');
  if (!Number.isSafeInteger(createdAtMs)) throw damaged('a key of the keystore has no date');
  return { kid, createdAtMs: createdAtMs as number, secret: decodeSecret(secret) };
}

function decodeSecret(text: unknown): Uint8Array {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(text))
    throw damaged('a key of the keystore has no secret');
  // A copy: a small Buffer shares the pool's memory, which overwriting would not reach once it is reused.
  return new Uint8Array(Buffer.from(text, 'base64url'));
}

function parseJson(plaintext: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(plaintext));
  } catch {
    // The parser's message quotes the text around the fault, which may be a secret: it is not passed on.
    throw damaged('the keystore holds no valid JSON');
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function damaged(message: string): KeystoreError {
  return new KeystoreError('damaged', message);
}
