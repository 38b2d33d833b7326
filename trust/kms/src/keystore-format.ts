import { parseKeyId } from './key-id.ts';
import { type StoredKey, storedKeysMax } from './key-ring.ts';
import { KeystoreError } from './keystore-error.ts';
import { isSealed, sealCharacters, sealText } from './keystore-seal.ts';
import { type Destruction, type KeyState, kmsLimits } from './kms.ts';
import type { RememberedOperation } from './operation-memory.ts';
import type { Secret } from './secret.ts';

/** Bytes of the plaintext and of the sealed file: 10,100 tombstones and 1,000 operations take less than half. */
export const keystoreBytesMax = 16 * 1024 * 1024;

/** What a keystore file says. */
export interface KeystoreContents {
  /** Grows by one with each change; 0 in the first format, which has none. */
  readonly generation: number;
  /** `b3:` of the state file's bytes that this change replaced; empty for the first. */
  readonly previous: string;
  readonly keys: readonly StoredKey[];
  readonly operations: readonly RememberedOperation[];
}

const sealHead = '"seal":"';
/** The seal, its name, and the end of the document: `"seal":"…"}` and a line feed. */
const sealedTailBytes = sealHead.length + sealCharacters + 3;
const unsealedTail = '"seal":null}\n';

/**
 * What is sealed: JSON, one key a line, so that an operator who opens it with `age` can read it. With an identity it
 * ends with a seal over all that stands before. Overwrites the secrets.
 */
export function encodeKeystore(contents: KeystoreContents, identity: Secret | undefined): Uint8Array {
  const keys = contents.keys.map(encodeKey).join(',\n');
  const operations = contents.operations.map(encodeOperation).join(',\n');
  const { generation, previous } = contents;
  const head = `{"v":2,"generation":${generation},"previous":"${previous}",\n`;
  const body = Buffer.from(`${head}"keys":[\n${keys}\n],\n"operations":[\n${operations}\n],\n`);
  const tail = identity === undefined ? unsealedTail : `${sealHead}${sealText('keystore', body, identity)}"}\n`;
  const whole = Buffer.concat([body, Buffer.from(tail)]);
  body.fill(0);
  return whole;
}

/** Strict: an unknown field, a second spelling, a duplicate key or a wrong seal is damage, not something to guess about. */
export function decodeKeystore(plaintext: Uint8Array, identity: Secret | undefined): KeystoreContents {
  const document = parseJson(plaintext);
  if (!isRecord(document) || !Array.isArray(document.keys)) throw damaged('the keystore has an unknown format');
  const keys = document.v === 1 ? document.keys.map(decodeFirstKey) : document.keys.map(decodeKey);
  if (keys.length > storedKeysMax) throw damaged(`a keystore holds at most ${storedKeysMax} keys`);
  if (new Set(keys.map((key) => key.kid)).size !== keys.length) throw damaged('the keystore names a key twice');
  if (document.v === 1) return { generation: 0, previous: '', keys, operations: [] };
  const { generation, previous, operations, seal } = document;
  if (document.v !== 2 || !isCount(generation) || typeof previous !== 'string' || !Array.isArray(operations)) {
    throw damaged('the keystore has an unknown format');
  }
  checkSeal(plaintext, seal, identity);
  if (operations.length > kmsLimits.operationsMax) throw damaged('the keystore remembers too many operations');
  return { generation, previous, keys, operations: operations.map(decodeOperation) };
}

function checkSeal(plaintext: Uint8Array, seal: unknown, identity: Secret | undefined): void {
  // A backup is opened by its passphrase, which only its maker had.
  if (identity === undefined && seal === null) return;
  const body = plaintext.subarray(0, -sealedTailBytes);
  const sealed = typeof seal === 'string' && identity !== undefined && isSealed('keystore', body, seal, identity);
  if (!sealed) throw damaged('the keystore was not written with this identity');
}

function encodeKey({ kid, createdAtMs, state, secret, destruction }: StoredKey): string {
  const start = { kid, created_at: createdAtMs, state };
  if (secret === undefined) {
    if (destruction === undefined) throw new Error('a key has neither secret nor tombstone');
    const { fingerprint, destroyedAtMs, generation, signer, signature } = destruction;
    return JSON.stringify({ ...start, fingerprint, destroyed_at: destroyedAtMs, generation, signer, signature });
  }
  const text = Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength).toString('base64url');
  secret.fill(0);
  return JSON.stringify({ ...start, secret: text });
}

function decodeFirstKey(value: unknown): StoredKey {
  return { ...decodeStart(value, 'created_at,kid,secret'), state: 'active', secret: decodeSecret(value) };
}

function decodeKey(value: unknown): StoredKey {
  const state = isRecord(value) ? value.state : undefined;
  if (state === 'destroyed') return decodeTombstone(value);
  if (state !== 'active' && state !== 'verifying' && state !== 'retired') throw damaged('a key has no valid state');
  return { ...decodeStart(value, 'created_at,kid,secret,state'), state, secret: decodeSecret(value) };
}

function decodeTombstone(value: unknown): StoredKey {
  const fields = 'created_at,destroyed_at,fingerprint,generation,kid,signature,signer,state';
  const { kid, createdAtMs } = decodeStart(value, fields);
  const { fingerprint, destroyed_at: destroyedAtMs, generation, signer, signature } = value as Record<string, unknown>;
  if (
    typeof fingerprint !== 'string' ||
    typeof signer !== 'string' ||
    typeof signature !== 'string' ||
    !isCount(destroyedAtMs) ||
    !isCount(generation)
  ) {
    throw damaged('a tombstone of the keystore is malformed');
  }
  const destruction: Destruction = { kid, fingerprint, destroyedAtMs, generation, signer, signature };
  return { kid, createdAtMs, state: 'destroyed' satisfies KeyState, destruction };
}

function decodeStart(value: unknown, fields: string): { kid: string; createdAtMs: number } {
  if (!isRecord(value) || Object.keys(value).sort().join() !== fields) {
    throw damaged('a key of the keystore is malformed');
  }
  const { kid, created_at: createdAtMs } = value;
  if (typeof kid !== 'string' || parseKeyId(kid) === undefined) throw damaged('a key of the keystore has no valid id');
  if (!isCount(createdAtMs)) throw damaged('a key of the keystore has no date');
  return { kid, createdAtMs };
}

function decodeSecret(value: unknown): Uint8Array {
  const text = isRecord(value) ? value.secret : undefined;
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(text))
    throw damaged('a key of the keystore has no secret');
  // A copy: a small Buffer shares the pool's memory, which overwriting would not reach once it is reused.
  const pooled = Buffer.from(text, 'base64url');
  const bytes = new Uint8Array(pooled);
  pooled.fill(0);
  return bytes;
}

function encodeOperation({ tenant, opId, request, kid }: RememberedOperation): string {
  return JSON.stringify({ tenant, op_id: opId, request, kid });
}

function decodeOperation(value: unknown): RememberedOperation {
  if (!isRecord(value) || Object.keys(value).sort().join() !== 'kid,op_id,request,tenant') {
    throw damaged('an operation of the keystore is malformed');
  }
  const { tenant, op_id: opId, request, kid } = value;
  if (![tenant, opId, request, kid].every((field) => typeof field === 'string')) {
    throw damaged('an operation of the keystore is malformed');
  }
  return { tenant, opId, request, kid } as RememberedOperation;
}

function parseJson(plaintext: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(plaintext));
  } catch {
    // The parser's message quotes the text around the fault, which may be a secret: it is not passed on.
    throw damaged('the keystore holds no valid JSON');
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function damaged(message: string): KeystoreError {
  return new KeystoreError('damaged', message);
}
