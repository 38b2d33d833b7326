import type { Clock, HttpRequest, Work } from '@ron/kernel';
import { limits, parseStrictJson } from '@ron/oap';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, ResidentBody } from '@ron/proto/stream';
import type { Credential } from '../access.ts';
import { readWhole } from '../bodies.ts';
import { contentCodingOf, inflateBody, unsupportedCoding } from './content-coding.ts';
import type { BoundRoute } from './router.ts';

const bearer = /^Bearer ([A-Za-z0-9._~+/=-]+)$/i;
const idempotencyKey = /^[\x21-\x7e]{1,128}$/;
const traceparent = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** `Authorization: Bearer …` or `RON-Cap: …`; both only when they agree. */
export function credentialOf(request: HttpRequest): Credential {
  const authorization = request.headers['authorization'];
  const direct = request.headers['ron-cap'];
  if (authorization === undefined) return direct === undefined ? {} : withProof(direct, request);
  const token = bearer.exec(authorization)?.[1];
  if (token === undefined) throw new RonError('unauthenticated', 'the capability is not valid here');
  if (direct !== undefined && direct !== token) throw new RonError('bad_request', 'two different capabilities');
  return withProof(token, request);
}

function withProof(token: string, { headers, method, target }: HttpRequest): Credential {
  const proof = headers['ron-proof'];
  return proof === undefined ? { token } : { token, proof, request: `${method} ${target}` };
}

/** `Ron-Receipt: 1` asks for the proof that the call is in the audit log. */
export function wantsReceipt(request: HttpRequest): boolean {
  const asked = request.headers['ron-receipt'];
  if (asked === undefined || asked === '1') return asked === '1';
  throw new RonError('bad_request', 'Ron-Receipt: 1');
}

export function idempotencyKeyOf(request: HttpRequest): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined || idempotencyKey.test(key)) return key;
  throw new RonError('bad_request', 'Idempotency-Key: 1 to 128 visible ASCII characters');
}

/** A malformed traceparent is dropped, as its specification asks. */
export function traceparentOf(request: HttpRequest): string | undefined {
  const value = request.headers['traceparent'];
  return value !== undefined && traceparent.test(value) ? value : undefined;
}

export function bodyBytesOf(request: HttpRequest): number | undefined {
  const length = request.headers['content-length'];
  if (length !== undefined) return Number(length);
  return request.headers['transfer-encoding'] === undefined ? 0 : undefined;
}

export interface JsonBodyPorts {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly work: Pick<Work, 'inflate'>;
  /** Bytes of the JSON, inflated. */
  readonly bytesMax?: number | undefined;
}

/**
 * JSON bodies fill the input; a field that the path, query or headers already gave is refused. Resolves with the bytes
 * that came, before they were inflated.
 */
export async function addJsonBody(
  request: HttpRequest,
  input: Record<string, unknown>,
  { clock, work, bytesMax = limits.controlBodyBytesMax }: JsonBodyPorts,
): Promise<number> {
  const coding = contentCodingOf(request.headers['content-encoding']);
  const sent = await readWhole(inTime(request.body, clock), bytesMax);
  if (sent.byteLength === 0) return 0;
  const bytes = coding === undefined ? sent : inflateBody(work, coding, sent, bytesMax);
  const value = parseStrictJson(bytes, { bytesMax, depthMax: limits.jsonDepthMax });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RonError('bad_request', 'the body must be a JSON object');
  }
  for (const [field, content] of Object.entries(value)) {
    if (Object.hasOwn(input, field)) throw new RonError('bad_request', `"${field}" is given twice`);
    input[field] = content;
  }
  return sent.byteLength;
}

/** Bytes in a coding are not those that were meant: only JSON is inflated, and an operation that asks for the field judges itself. */
export function refuseCodedBody({ route }: BoundRoute, request: HttpRequest, bodyBytes: number | undefined): void {
  const field = request.headers['content-encoding'];
  if (field === undefined || bodyBytes === 0 || route.json === true) return;
  if (route.headers?.['content-encoding'] !== undefined) return;
  if (contentCodingOf(field) === undefined) return;
  throw unsupportedCoding('send the bytes without Content-Encoding', 'identity');
}

/** The adapter ends a body that stands still; this ends one that keeps moving for longer than a control request may take. */
function inTime(body: ByteStream, clock: Pick<Clock, 'monotonicMs'>): ByteStream {
  return body instanceof ResidentBody ? body : piecesInTime(body, clock);
}

async function* piecesInTime(body: ByteStream, clock: Pick<Clock, 'monotonicMs'>): AsyncGenerator<Uint8Array> {
  const lateMs = clock.monotonicMs() + limits.controlRequestTimeoutMs;
  for await (const piece of body) {
    if (clock.monotonicMs() >= lateMs) throw new RonError('request_timeout', 'the body took too long');
    yield piece;
  }
}

/** An operation that takes no bytes refuses them: what is ignored silently is a mistake that nobody sees. */
export function refuseUnexpectedBody({ operation, route }: BoundRoute, bodyBytes: number | undefined): void {
  const takes = route.json === true || operation.body === 'in' || operation.body === 'both';
  if (!takes && bodyBytes !== 0) throw new RonError('bad_request', 'this operation takes no body');
}
