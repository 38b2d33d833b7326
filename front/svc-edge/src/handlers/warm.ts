import type { Clock, HttpHandler, HttpRequest, HttpResponse } from '@ron/kernel';
import { emptyBody } from '@ron/proto/stream';
import { splitUrl } from './purge.ts';

/** URLs of one call. */
export const warmUrlsMax = 1000;
/** Fetches at a time: the origin has clients to answer meanwhile. */
const warmFetchesMax = 8;
/** After this no further fetch is begun; those under way have the deadlines of any other. */
const warmMs = 120_000;

export interface WarmReport {
  /** Responses that were stored, or were there and fresh. */
  readonly stored: number;
  /** Successes that by their own word are not to be stored. */
  readonly passed: number;
  /** Of all bodies that were read. */
  readonly bytes: number;
  /** Refused or broken off; or an error of the origin, which may be remembered as such. */
  readonly failed: readonly { readonly url: string; readonly status: number }[];
  /** Not begun within the time of one call. */
  readonly left: readonly string[];
}

export interface WarmOptions {
  readonly clock: Clock;
  readonly handle: HttpHandler;
  /** Host field where a URL names none. */
  readonly authority: string;
}

/** Asks for each URL as a client would, reads the answers to their end, and throws them away. */
export async function warm(
  { clock, handle, authority }: WarmOptions,
  urls: readonly string[],
  headers: Readonly<Record<string, string>>,
): Promise<WarmReport> {
  const endMs = clock.monotonicMs() + warmMs;
  const failed: { url: string; status: number }[] = [];
  const queue = [...urls];
  let stored = 0;
  let passed = 0;
  let bytes = 0;
  const fetchAll = async () => {
    while (clock.monotonicMs() < endMs) {
      const url = queue.shift();
      if (url === undefined) return;
      const { host = authority, target } = splitUrl(url);
      const response = await handle(requestFor(target, { ...headers, host }));
      const read = await readBytes(response);
      if ('refused' in response || read === undefined || response.status >= 400) {
        failed.push({ url, status: response.status });
        continue;
      }
      bytes += read;
      if (isStored(response)) stored++;
      else passed++;
    }
  };
  await Promise.all(Array.from({ length: Math.min(warmFetchesMax, urls.length) }, fetchAll));
  return { stored, passed, bytes, failed, left: queue };
}

function isStored({ headers }: HttpResponse): boolean {
  return headers['x-cache'] !== 'BYPASS' && /ron-edge; (hit|.*\bstored\b)/.test(String(headers['cache-status']));
}

function requestFor(target: string, headers: Readonly<Record<string, string>>): HttpRequest {
  return { method: 'GET', target, headers, body: emptyBody, remote: 'warm', onAbort: () => undefined };
}

/** Bytes of the whole body; undefined when it breaks off. */
async function readBytes({ body }: HttpResponse): Promise<number | undefined> {
  if (body === undefined || body instanceof Uint8Array) return body?.byteLength ?? 0;
  let bytes = 0;
  try {
    for await (const piece of body) bytes += piece.byteLength;
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    return undefined;
  }
  return bytes;
}
