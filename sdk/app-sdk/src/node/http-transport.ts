import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, Agent as SecureAgent } from 'node:https';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { decodeHttpReply, type HttpReply, routeOf, signedHttpCall } from '../http-call.ts';
import { unbroken } from '../streams.ts';
import type { Access, Transport, TransportRequest } from '../transport.ts';

/** Without a byte either way for this long, a transfer counts as broken. Calls without a stream have their own deadline. */
const silenceMsMax = 30_000;
const socketsMax = 32;

/** HTTP through `node:http`: streams both ways at several times the speed of `fetch`. */
/** `given` as a function: only the capability, for one that is bound to no key. */
export function createHttpTransport(url: string, given: Access | Access['capability']): Transport {
  const access = typeof given === 'function' ? { capability: given } : given;
  const base = new URL(url);
  // Anything else than these two would send the capability in clear to a place that the caller did not mean.
  if (base.protocol !== 'http:' && base.protocol !== 'https:')
    throw new TypeError(`${base.protocol} is no protocol of a node`);
  const sockets = { keepAlive: true, maxSockets: socketsMax };
  const agent = base.protocol === 'https:' ? new SecureAgent(sockets) : new Agent(sockets);
  return {
    async call(request) {
      const { method, target, headers, json } = await signedHttpCall(request, access);
      const body = json === undefined ? request.body : new TextEncoder().encode(json);
      const bytes = body instanceof Uint8Array ? body.byteLength : request.bodyBytes;
      if (bytes !== undefined && body !== undefined) headers['content-length'] = String(bytes);
      const streamed = request.body !== undefined || routeOf(request).reply === 'stream';
      const silenceMs = streamed ? silenceMsMax : 0;
      const reply = await exchange({ base, agent, method, target, headers, silenceMs, signal: request.signal }, body);
      return decodeHttpReply(request, httpReply(reply));
    },
    async ops(path, signal) {
      const out = { base, agent, method: 'GET', target: path, headers: {}, silenceMs: silenceMsMax, signal };
      const reply = await exchange(out, undefined);
      return httpReply(reply).text();
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
    },
  };
}

interface Outbound {
  readonly base: URL;
  readonly agent: Agent;
  readonly method: string;
  readonly target: string;
  readonly headers: Record<string, string>;
  /** 0 = no bound. */
  readonly silenceMs: number;
  readonly signal: AbortSignal | undefined;
}

function exchange(out: Outbound, body: TransportRequest['body']): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: unknown) =>
      reject(
        new RonError(
          'unavailable',
          out.signal?.aborted ? 'the call was ended by its caller' : 'no answer from the node',
          { cause },
        ),
      );
    const open = out.base.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = open({
      host: out.base.hostname.replace(/^\[|\]$/g, ''),
      port: out.base.port,
      path: out.target,
      method: out.method,
      headers: out.headers,
      agent: out.agent,
      timeout: out.silenceMs,
      ...(out.signal === undefined ? {} : { signal: out.signal }),
    });
    let answered = false;
    request.on('response', (reply) => {
      answered = true;
      // The rest of a body that was answered early is never sent: this connection cannot serve another call.
      reply.once('end', () => request.writableFinished || request.destroy());
      resolve(reply);
    });
    request.on('timeout', () => request.destroy(new Error(`nothing moved for ${out.silenceMs} ms`)));
    // A node may refuse a body early and close: its answer, when it came first, is what counts.
    request.on('error', refuse);
    send(request, body, () => answered).catch((error) => {
      request.destroy(error);
      reject(error);
    });
  });
}

async function send(
  request: ReturnType<typeof httpRequest>,
  body: TransportRequest['body'],
  answered: () => boolean,
): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    request.end(body);
    return;
  }
  for await (const piece of body as ByteStream) {
    if (request.destroyed || answered()) return;
    if (!request.write(piece)) await drained(request);
  }
  request.end();
}

function drained(request: ReturnType<typeof httpRequest>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      request.off('drain', done);
      request.off('close', done);
      request.off('response', done);
      resolve();
    };
    request.on('drain', done);
    request.on('close', done);
    request.on('response', done);
  });
}

function httpReply(message: IncomingMessage): HttpReply {
  const body = unbroken(message as ByteStream);
  return {
    status: message.statusCode ?? 0,
    header(name) {
      const value = message.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    async text() {
      const pieces: Uint8Array[] = [];
      for await (const piece of body) pieces.push(piece);
      return Buffer.concat(pieces).toString('utf8');
    },
    body,
  };
}
