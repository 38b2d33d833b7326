import type { HttpResponse } from '@ron/kernel';
import type { ByteStream } from '@ron/proto/stream';
import { formatHttpDate } from '../fields/http-date.ts';
import type { Inquiry } from '../inquiry.ts';
import type { Received } from '../origin/send.ts';
import type { CacheStatus } from '../rules/cache-status.ts';
import { type CacheWord, copyHeaders, markHeaders } from './headers.ts';

/** Passes a response on as it comes; nothing is kept. */
export function replyFromOrigin(
  inquiry: Inquiry,
  received: Received,
  word: CacheWord,
  status: CacheStatus,
): HttpResponse {
  const { response, fields, arrival } = received;
  const headers = copyHeaders(fields);
  // RFC 9110, 6.6.1.
  headers['date'] ??= formatHttpDate(arrival.responseWallMs);
  markHeaders(headers, word, { ...status, forwardStatus: response.status }, response.version);
  if (response.status === 204 || response.status === 304) {
    void drain(response.body);
    return { status: response.status, headers };
  }
  if (inquiry.method === 'HEAD') {
    void drain(response.body);
    return { status: response.status, headers, body: unknownContent };
  }
  return { status: response.status, headers, body: response.body };
}

/** Reads to the end what has no use, so that the connection can be used again; no more than a little of it. */
export async function drain(body: ByteStream): Promise<void> {
  let left = 64 * 1024;
  try {
    for await (const piece of body) {
      left -= piece.byteLength;
      if (left < 0) return;
    }
  } catch (thrown) {
    // A connection that breaks while it is being emptied is just gone.
    if (!(thrown instanceof Error)) throw thrown;
  }
}

/** Says that there is a length which is not known: a response to HEAD then has no Content-Length. */
export const unknownContent: ByteStream = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
};
