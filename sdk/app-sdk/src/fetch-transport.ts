import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { decodeHttpReply, type HttpReply, signedHttpCall } from './http-call.ts';
import { Slots } from './slots.ts';
import { fromReadable, toReadable, unbroken } from './streams.ts';
import type { Access, Transport, TransportRequest } from './transport.ts';

/**
 * Requests under way at once. Browsers allow six connections to a host by themselves, but elsewhere `fetch` opens one for
 * each request, and a node refuses an address that holds more than 64.
 */
const requestsMax = 24;

/** HTTP through `fetch`: browsers, and anything else that has it. Streamed request bodies are buffered where the platform cannot stream them. */
export function createFetchTransport(url: string, access: Access): Transport {
  const base = url.replace(/\/+$/, '');
  const slots = new Slots(requestsMax);
  const exchange = async (request: TransportRequest, init: RequestInit, target: string) => {
    let response: Response;
    try {
      response = await fetch(base + target, init);
    } catch (cause) {
      throw new RonError(
        'unavailable',
        request.signal?.aborted ? 'the call was ended by its caller' : 'no answer from the node',
        { cause },
      );
    }
    return decodeHttpReply(request, httpReply(response));
  };
  return {
    async call(request) {
      const { method, target, headers, json } = await signedHttpCall(request, access);
      const init: RequestInit & { duplex?: 'half' } = { method, headers, redirect: 'manual', cache: 'no-store' };
      if (request.signal !== undefined) init.signal = request.signal;
      const body = json ?? (await fetchBody(request));
      if (body !== undefined) init.body = body;
      if (body instanceof ReadableStream) init.duplex = 'half';
      return slots.run(() => exchange(request, init, target), request.signal);
    },
    async ops(path, signal) {
      try {
        const response = await fetch(base + path, signal === undefined ? {} : { signal });
        return await response.text();
      } catch (cause) {
        throw new RonError('unavailable', 'no answer from the node', { cause });
      }
    },
    async [Symbol.asyncDispose]() {
      // fetch keeps its own connections; there is nothing to close.
    },
  };
}

function httpReply(response: Response): HttpReply {
  return {
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    text: async () => {
      try {
        return await response.text();
      } catch (cause) {
        throw new RonError('unavailable', 'the connection broke', { cause });
      }
    },
    body: response.body === null ? undefined : unbroken(fromReadable(response.body)),
  };
}

async function fetchBody({ body }: TransportRequest): Promise<BodyInit | undefined> {
  if (body === undefined) return undefined;
  if (body instanceof Uint8Array) return body as Uint8Array<ArrayBuffer>;
  return streamsRequests() ? toReadable(body) : new Blob(await pieces(body));
}

async function pieces(body: ByteStream): Promise<Uint8Array<ArrayBuffer>[]> {
  const all: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of body) all.push(piece as Uint8Array<ArrayBuffer>);
  return all;
}

/** Browsers stream request bodies only over HTTP/2, or not at all; a node is reached over HTTP/1.1. */
function streamsRequests(): boolean {
  return !('document' in globalThis || 'WorkerGlobalScope' in globalThis);
}
