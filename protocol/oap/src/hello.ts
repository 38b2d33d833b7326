import { RonError } from '@ron/proto/errors';
import { encodeText } from './byte-slab.ts';
import { limits } from './limits.ts';
import { type JsonObject, type JsonValue, parseStrictObject } from './strict-json.ts';

/** What the opener says first. The probe is the same with nothing asked for. */
export interface HelloRequest {
  readonly proto: 'OAP/1';
  /** Largest `len` that the opener is willing to receive and send. */
  readonly accept_max_frame?: number;
  /** Who is asking, for the acceptor's log. At most 128 characters. */
  readonly agent?: string;
}

/** What the acceptor answers. */
export interface HelloReply {
  readonly server_version: string;
  readonly node_id: string;
  /** Largest `len` of this connection, both ways. */
  readonly max_frame: number;
  /** Live streams allowed on this connection. */
  readonly max_inflight: number;
  /** Flag bits that the acceptor understands. */
  readonly supported_flags: number;
  readonly oap_versions: readonly number[];
  readonly transports: readonly string[];
  /** Where the acceptor stands in the revocation feed. */
  readonly revocation_seq: number;
}

/** The part of the reply that the acceptor's owner provides. */
export type HelloIdentity = Pick<HelloReply, 'server_version' | 'node_id' | 'transports' | 'revocation_seq'>;

/** The smallest HELLO: `21 00 00 00 01` and 32 zero bytes. A new copy each time. */
export function helloProbe(): Uint8Array {
  const probe = new Uint8Array(37);
  probe[0] = 33;
  probe[4] = 1;
  return probe;
}

export function encodeHelloRequest(hello: Omit<HelloRequest, 'proto'>): Uint8Array {
  return encodeText(JSON.stringify({ proto: 'OAP/1', ...hello }));
}

export function encodeHelloReply(hello: HelloReply): Uint8Array {
  return encodeText(JSON.stringify(hello));
}

/** Unknown fields are ignored: a later version may say more. @throws RonError `bad_request`. */
export function parseHelloRequest(payload: Uint8Array): HelloRequest {
  const hello = parse(payload);
  const { proto, accept_max_frame, agent } = hello;
  if (proto !== 'OAP/1') throw malformed('proto');
  if (accept_max_frame !== undefined && !isCount(accept_max_frame)) throw malformed('accept_max_frame');
  if (agent !== undefined && (typeof agent !== 'string' || agent.length > 128)) throw malformed('agent');
  return {
    proto,
    ...(accept_max_frame === undefined ? {} : { accept_max_frame }),
    ...(agent === undefined ? {} : { agent }),
  };
}

/** Unknown fields are ignored: a later version may say more. @throws RonError `bad_request`. */
export function parseHelloReply(payload: Uint8Array): HelloReply {
  const hello = parse(payload);
  const { server_version, node_id, max_frame, max_inflight, supported_flags } = hello;
  const { oap_versions, transports, revocation_seq } = hello;
  if (typeof server_version !== 'string') throw malformed('server_version');
  if (typeof node_id !== 'string') throw malformed('node_id');
  if (!isCount(max_frame)) throw malformed('max_frame');
  if (!isCount(max_inflight) || max_inflight < 1) throw malformed('max_inflight');
  if (!isCount(supported_flags)) throw malformed('supported_flags');
  if (!isListOf(oap_versions, isCount) || !oap_versions.includes(1)) throw malformed('oap_versions');
  if (!isListOf(transports, (item) => typeof item === 'string')) throw malformed('transports');
  if (!isCount(revocation_seq)) throw malformed('revocation_seq');
  return {
    server_version,
    node_id,
    max_frame,
    max_inflight,
    supported_flags,
    oap_versions,
    transports: transports as readonly string[],
    revocation_seq,
  };
}

/**
 * The `max_frame` of a connection: the acceptor's own, or the opener's when that is smaller. Undefined when the
 * opener asks for less than `maxFrameFloorBytes`.
 */
export function negotiateMaxFrame(ownBytes: number, acceptBytes: number | undefined): number | undefined {
  if (acceptBytes === undefined) return ownBytes;
  return acceptBytes < limits.maxFrameFloorBytes ? undefined : Math.min(ownBytes, acceptBytes);
}

function parse(payload: Uint8Array): JsonObject {
  return parseStrictObject(payload, { bytesMax: limits.headerJsonBytesMax });
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isListOf<T extends JsonValue>(
  value: JsonValue | undefined,
  isItem: (item: JsonValue) => item is T,
): value is readonly T[] {
  return Array.isArray(value) && value.length <= 64 && value.every(isItem);
}

function malformed(field: string): RonError {
  return new RonError('bad_request', 'HELLO: missing or invalid field', { details: { field } });
}
