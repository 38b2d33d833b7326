import { outboardSize, VerificationError } from '@ron/b3';
import type { HttpClient, HttpClientResponse } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, emptyBody } from '@ron/proto/stream';
import { parseDeltaSeconds } from '../fields/delta-seconds.ts';
import { firstLineOf } from '../fields/fields.ts';
import { parseHttpDate } from '../fields/http-date.ts';
import { busyGate, unavailable } from '../groups/attempts.ts';
import { ExactReader } from '../groups/exact-reader.ts';
import { groupBytes } from '../groups/object-proof.ts';
import type { GroupSource } from '../groups/source.ts';

/** What a source may at most ask its readers to wait. */
const retryAfterMsMax = 3_600_000;

/** Only the client's own origin is ever contacted: to choose it is to allow it. No redirect is followed. */
export interface GatewaySourceOptions {
  readonly client: HttpClient;
  /** Sent as the Authorization field: everybody who may read this cache reads with it. */
  readonly authorization?: string | undefined;
  /** Field lines of one reader's credentials, for a source that serves nobody else. */
  readonly credentials?: readonly string[];
}

/** Another node's gateway, or an edge in front of one: `GET /o/{address}` with Range, and its outboard. */
export function createGatewaySource(options: GatewaySourceOptions): GroupSource {
  const { client } = options;
  const plain = createPlainSource({ ...options, pathOf: (address) => `/o/${address}` });
  const named = namesOf(options);
  return {
    ...plain,
    name: 'gateway',
    async outboard(address, sizeBytes, signal) {
      const response = await ask(client, `/o/${address}.outboard`, undefined, named, signal);
      const length = lengthOf(response);
      if (response.status !== 200 || length === undefined || length > outboardSize(sizeBytes)) {
        await giveUp(response.body);
        throw new VerificationError('malformed', 'the outboard has another length than its object needs');
      }
      return await takeWhole(response.body, length);
    },
  };
}

export interface PlainSourceOptions extends GatewaySourceOptions {
  /** Where the origin has the bytes of an address; the operator's rule, in origin form. */
  readonly pathOf: (address: string) => string;
  /** Who has the outboards: any source, since they prove themselves. Without it, objects of more than 64 KiB are not had. */
  readonly outboards?: Pick<GroupSource, 'outboard'>;
}

/** A web server that knows nothing of trees: plain bytes by ranges. */
export function createPlainSource(options: PlainSourceOptions): GroupSource {
  const { client, pathOf, outboards, authorization } = options;
  const named = namesOf(options);
  const ranged = (address: string, first: number, last: number, signal: AbortSignal) =>
    ask(client, pathOf(address), `bytes=${first}-${last}`, named, signal);
  return {
    name: 'origin',
    asReader: authorization === undefined,
    async stat(address, _wantsFirst, signal) {
      // One exchange for the size and the first group, which small objects are done with.
      const response = await ranged(address, 0, groupBytes - 1, signal);
      const sizeBytes = await sizeOrGiveUp(response, 0);
      if (response.status === 416) await giveUp(response.body);
      const length = Math.min(groupBytes, sizeBytes);
      // A 206 ends with the group. A 200 of an origin without ranges goes on, and is left.
      const goesOn = response.status === 200 && sizeBytes > groupBytes;
      const body = response.status === 416 ? emptyBody : response.body;
      const firstGroup = await takeWhole(body, length, goesOn);
      return { sizeBytes, firstGroup };
    },
    async outboard(address, sizeBytes, signal) {
      if (outboards === undefined) throw unavailable('this origin has no outboards');
      return await outboards.outboard(address, sizeBytes, signal);
    },
    async groups({ address, first, count, sizeBytes }, signal) {
      const start = first * groupBytes;
      const end = Math.min(start + count * groupBytes, sizeBytes);
      const response = await ranged(address, start, end - 1, signal);
      const claimed = await sizeOrGiveUp(response, start);
      if (claimed === sizeBytes) return response.body;
      await giveUp(response.body);
      throw new VerificationError('size', 'the origin says another length than before');
    },
  };
}

function namesOf({ authorization, credentials = [] }: GatewaySourceOptions): readonly string[] {
  return authorization === undefined ? credentials : ['authorization', authorization];
}

async function ask(
  client: HttpClient,
  target: string,
  range: string | undefined,
  named: readonly string[],
  signal: AbortSignal,
): Promise<HttpClientResponse> {
  const fieldLines = ['accept', '*/*', 'accept-encoding', 'identity', ...named];
  if (range !== undefined) fieldLines.push('range', range);
  const response = await client.request({ method: 'GET', target, fieldLines, signal });
  const { status } = response;
  // 416 of an empty object, which has no byte that a range could name. RFC 9110, 15.5.17.
  if (status === 200 || status === 206 || (status === 416 && response.headers['content-range'] === 'bytes */0')) {
    return response;
  }
  await giveUp(response.body);
  if (status === 404 || status === 410) throw new RonError('not_found', 'no such object');
  if (status === 416) throw new VerificationError('size', 'the origin says another length than before');
  throw refusedBy(response);
}

function refusedBy(response: HttpClientResponse): RonError {
  const { status } = response;
  if (status === 401) return new RonError('unauthenticated', 'the source wants a valid capability for this');
  if (status === 403) return new RonError('forbidden', 'the source does not allow this');
  if (status !== 429 && status !== 503) return unavailable(`the source answers ${status}`);
  const retryAfterMs = retryAfterMsOf(response) ?? 1_000;
  if (status === 429) {
    const details = { quota: 'source' };
    return new RonError('quota_exhausted', 'the source answers no more of these for now', { retryAfterMs, details });
  }
  return new RonError('unavailable', 'the source has too much to do', { retryAfterMs, details: { gate: busyGate } });
}

/** RFC 9110, 10.2.3. A date counts from that of the response, so that no two clocks are compared. */
function retryAfterMsOf({ headers }: HttpClientResponse): number | undefined {
  const said = firstLineOf(headers, 'retry-after')?.trim();
  if (said === undefined) return undefined;
  const seconds = parseDeltaSeconds(said);
  if (seconds !== undefined) return Math.min(seconds * 1_000, retryAfterMsMax);
  const now = parseHttpDate(firstLineOf(headers, 'date') ?? '', 0);
  const then = now === undefined ? undefined : parseHttpDate(said, now);
  return then === undefined ? undefined : Math.min(Math.max(0, then - now!), retryAfterMsMax);
}

/** Of the representation that the response is a part of; the part must begin where it was asked for. */
function sizeOf(response: HttpClientResponse, start: number): number {
  const { status, headers } = response;
  if (status === 416) return 0;
  if (status === 200) {
    const length = lengthOf(response);
    // The whole, from its beginning: of use only where that was wanted.
    if (length === undefined || start !== 0) throw unavailable('the source does not serve ranges');
    return length;
  }
  const match = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/.exec(String(headers['content-range'] ?? ''));
  if (match === null || Number(match[1]) !== start) throw unavailable('the source sends another range');
  return Number(match[2]);
}

async function sizeOrGiveUp(response: HttpClientResponse, start: number): Promise<number> {
  try {
    return sizeOf(response, start);
  } catch (error) {
    await giveUp(response.body);
    throw error;
  }
}

function lengthOf({ headers }: HttpClientResponse): number | undefined {
  const text = headers['content-length'];
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

async function takeWhole(body: ByteStream, length: number, hasMore = false): Promise<Uint8Array> {
  const reader = new ExactReader(body);
  try {
    const bytes = await reader.take(length);
    if (!hasMore) await reader.end();
    return bytes;
  } finally {
    await reader.close();
  }
}

async function giveUp(body: ByteStream): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}
