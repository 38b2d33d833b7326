import { appId, createOapClient, type DriverClock, type OapClient } from '@ron/oap';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { Access, Transport, TransportRequest } from '../transport.ts';
import { dialPipe, type SocketAddress, type SocketPipe } from './socket-pipe.ts';

/** `oap://host:port` or `oap+unix:/path`; undefined for any other URL. Throws `TypeError` for a port that is missing. */
export function oapAddressOf(url: string): SocketAddress | undefined {
  if (url.startsWith('oap+unix:')) return { path: url.slice('oap+unix:'.length) };
  if (!url.startsWith('oap:')) return undefined;
  const { hostname, port } = new URL(url);
  if (hostname === '' || port === '') throw new TypeError(`${url}: an OAP URL is oap://host:port or oap+unix:/path`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** OAP/1 over one connection for all calls, dialled when the first is made and again after it was lost. */
export function createOapTransport(url: string, given: Access | Access['capability']): Transport {
  const address = oapAddressOf(url);
  if (address === undefined) throw new TypeError(`${url} is no OAP URL`);
  return new OapTransport(address, typeof given === 'function' ? { capability: given } : given);
}

interface Link {
  readonly client: OapClient;
  readonly pipe: SocketPipe;
  /** Calls and bodies under way. */
  busy: number;
}

class OapTransport implements Transport {
  readonly #address: SocketAddress;
  readonly #access: Access;
  #link: Promise<Link> | undefined;

  constructor(address: SocketAddress, access: Access) {
    this.#address = address;
    this.#access = access;
  }

  async call(request: TransportRequest) {
    const app = request.service?.app ?? appId.gateway;
    const capability = request.anonymous ? undefined : this.#access.capability();
    const proof =
      capability === undefined ? undefined : await this.#access.proof?.(capability, `${app}/${request.operation}`);
    const link = await this.#connected();
    const release = hold(link);
    try {
      const { output, body, receipt } = await link.client.call({
        app,
        operation: request.operation,
        input: request.input,
        corrId: request.corrId,
        idempotencyKey: request.idempotencyKey,
        proof,
        receipt: request.receipt,
        body: streamOf(request.body),
        bodyBytes: request.body instanceof Uint8Array ? request.body.byteLength : request.bodyBytes,
        capability: capability === undefined ? undefined : encoder.encode(capability),
        signal: request.signal,
      });
      if (body === undefined) release();
      return {
        output: output as Readonly<Record<string, unknown>>,
        body: body === undefined ? undefined : held(body, release),
        ...(receipt === undefined ? {} : { receipt }),
      };
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  async ops(): Promise<never> {
    throw new RonError('bad_request', 'operations endpoints are answered over HTTP only');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const link = await this.#link?.catch(() => undefined);
    this.#link = undefined;
    link?.client.close();
    await link?.client.closed;
  }

  async #connected(): Promise<Link> {
    const present = this.#link;
    const link = await present?.catch(() => undefined);
    if (link?.client.open) return link;
    // Whoever waited for the same lost connection shares one new one.
    if (this.#link === present) this.#link = this.#dial();
    return this.#link!;
  }

  async #dial(): Promise<Link> {
    const pipe = await dialPipe(this.#address);
    pipe.hold(false);
    return { client: createOapClient({ pipe, clock, agent: 'ron-app-sdk' }), pipe, busy: 0 };
  }
}

/** Keeps the process alive until the returned function is called. */
function hold(link: Link): () => void {
  let held = true;
  link.busy += 1;
  if (link.busy === 1) link.pipe.hold(true);
  return () => {
    if (!held) return;
    held = false;
    link.busy -= 1;
    if (link.busy === 0) link.pipe.hold(false);
  };
}

async function* held(body: ByteStream, release: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    release();
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function streamOf(body: TransportRequest['body']): ByteStream | undefined {
  return body instanceof Uint8Array ? one(body) : body;
}

const clock: DriverClock = {
  monotonicMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

const encoder = new TextEncoder();
