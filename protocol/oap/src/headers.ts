import { RonError } from '@ron/proto/errors';
import { limits } from './limits.ts';
import { type JsonObject, type JsonValue, parseStrictObject } from './strict-json.ts';

/** Header of REQ|START. A field that is not listed is refused, so that no server ignores what a caller asked for. */
export interface RequestHeader {
  /** Name of the operation in its contract. */
  readonly op: string;
  /** 8–64 of `[A-Za-z0-9_-]`. */
  readonly corr_id: string;
  /** Milliseconds that the caller still waits, from the moment of arrival. */
  readonly deadline_ms?: number;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** Same key and body within 24 h: same outcome. At most 128 printable ASCII characters. */
  readonly idempotency_key?: string;
  /** That the caller holds the key which its capability is bound to: docs/specs/cap.md. At most 512 printable ASCII characters. */
  readonly proof?: string;
  /** The caller wants the proof that the call is in the audit log: `receipt` of the answer's header. */
  readonly receipt?: true;
  /** Length of the body that follows, when the caller knows it. A hint for early refusal. */
  readonly body_bytes?: number;
  /** The tenant that the call is for, where its name is not 16 bytes; over `tenant_id`. 1–128 characters. */
  readonly tenant?: string;
  /** The address of whoever the caller speaks for. An acceptor reads it only from peers that it was told to trust. */
  readonly remote?: string;
}

/** Header of RESP|START. Unknown fields are kept and may be ignored. */
export interface AnswerHeader extends JsonObjectLike {
  readonly corr_id?: string;
  readonly body_bytes?: number;
  /** docs/specs/audit.md */
  readonly receipt?: string;
}

/** Header of a frame of body bytes. Unknown fields are kept and may be ignored. */
export interface DataHeader extends JsonObjectLike {
  /** Content address of the object; a sender that learns it by hashing sends it with END only. */
  readonly obj?: string;
  /** Offset of this frame's first body byte in the object. */
  readonly off?: number;
}

interface JsonObjectLike {
  readonly [key: string]: JsonValue | undefined;
}

const corrIdPattern = /^[A-Za-z0-9_-]{8,64}$/;
const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const operationPattern = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const idempotencyPattern = /^[\x21-\x7e]{1,128}$/;
const proofPattern = /^[\x21-\x7e]{1,512}$/;
const receiptPattern = /^[\x21-\x7e]{1,12288}$/;
const remotePattern = /^(unix|[0-9A-Fa-f:.]{2,45})$/;
const tenantPattern = /^.{1,128}$/su;
const objectPattern = /^b3:[0-9a-f]{64}$/;

type FieldCheck = (value: JsonValue) => boolean;

const isCount: FieldCheck = (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const matches =
  (pattern: RegExp): FieldCheck =>
  (value) =>
    typeof value === 'string' && pattern.test(value);

const requestChecks = new Map<string, FieldCheck>([
  ['op', matches(operationPattern)],
  ['corr_id', matches(corrIdPattern)],
  ['deadline_ms', isCount],
  ['traceparent', matches(traceparentPattern)],
  ['idempotency_key', matches(idempotencyPattern)],
  ['proof', matches(proofPattern)],
  ['receipt', (value) => value === true],
  ['body_bytes', isCount],
  ['tenant', matches(tenantPattern)],
  ['remote', matches(remotePattern)],
]);
const answerChecks = new Map<string, FieldCheck>([
  ['corr_id', matches(corrIdPattern)],
  ['body_bytes', isCount],
  ['receipt', matches(receiptPattern)],
]);
const dataChecks = new Map<string, FieldCheck>([
  ['obj', matches(objectPattern)],
  ['off', isCount],
]);

/** @throws RonError `bad_request`, or `headers_too_large` past 16 KiB. */
export function parseRequestHeader(bytes: Uint8Array): RequestHeader {
  const header = parseHeader(bytes);
  checkFields(header, requestChecks);
  for (const key of Object.keys(header)) {
    if (!requestChecks.has(key)) throw fieldError(key.slice(0, 64), 'unknown');
  }
  if (header.op === undefined) throw fieldError('op', 'missing');
  if (header.corr_id === undefined) throw fieldError('corr_id', 'missing');
  return header as unknown as RequestHeader;
}

/** @throws RonError `bad_request`, or `headers_too_large` past 16 KiB. */
export function parseAnswerHeader(bytes: Uint8Array): AnswerHeader {
  return checkFields(bytes.length === 0 ? {} : parseHeader(bytes), answerChecks);
}

/** @throws RonError `bad_request`, or `headers_too_large` past 16 KiB. */
export function parseDataHeader(bytes: Uint8Array | undefined): DataHeader {
  return checkFields(parseHeader(bytes), dataChecks);
}

/**
 * A header without rules of its own, as events have; undefined stands for one that was too long to keep.
 *
 * @throws RonError as the others.
 */
export function parseHeader(bytes: Uint8Array | undefined): JsonObject {
  if (bytes === undefined || bytes.length > limits.headerJsonBytesMax) {
    throw new RonError('headers_too_large', 'the OAP header is too long', {
      details: { bytes_max: limits.headerJsonBytesMax },
    });
  }
  return parseStrictObject(bytes, { bytesMax: limits.headerJsonBytesMax });
}

function checkFields(header: JsonObject, checks: ReadonlyMap<string, FieldCheck>): JsonObject {
  for (const [key, isValid] of checks) {
    const value = header[key];
    if (value !== undefined && !isValid(value)) throw fieldError(key, 'invalid');
  }
  return header;
}

function fieldError(field: string, problem: 'unknown' | 'missing' | 'invalid'): RonError {
  return new RonError('bad_request', `OAP header: ${problem} field`, { details: { field, problem } });
}
