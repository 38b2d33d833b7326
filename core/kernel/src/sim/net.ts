import { emptyBody, ResidentBody } from '@ron/proto/stream';
import type { HttpHandler, HttpRequest, HttpResponse, HttpServerLimits } from '../env/http.ts';
import type { Duplex, Listener, Net, NetAddress } from '../env/net.ts';
import { SystemError } from '../env/system-error.ts';
import { type LinkPorts, SimDuplex } from './duplex.ts';
import { NetFaults } from './net-faults.ts';
import type { SimRandom } from './random.ts';
import type { SimClock, SimScheduler } from './scheduler.ts';
import { type SimTlsPorts, simTlsAccept, simTlsDial } from './tls.ts';

/** A request for `SimNet.request`; what is left out is empty. */
export interface SimRequest {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: HttpRequest['body'] | Uint8Array;
  /** Aborting is the client leaving. */
  readonly signal?: AbortSignal;
}

/** One node's sockets. */
export interface SimNet extends Net {
  /** Calls the handler that serves the address, from this node: no parsing, no wire. Rejects with `ECONNREFUSED` when nobody serves. */
  request(address: NetAddress, request: SimRequest): Promise<HttpResponse>;
}

interface Served {
  readonly node: string;
  readonly accept?: (connection: Duplex) => void;
  readonly handler?: HttpHandler;
}

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || host.startsWith('127.');

/** The wires between the nodes. A loopback host or a Unix path means the node itself; any other host name is known to all. */
export class SimNetwork {
  readonly faults: NetFaults;
  readonly #scheduler: SimScheduler;
  readonly #random: SimRandom;
  readonly #served = new Map<string, Served>();
  readonly #connections = new Set<SimDuplex>();
  #port = 40_000;

  constructor(scheduler: SimScheduler, random: SimRandom) {
    this.#scheduler = scheduler;
    this.#random = random.fork('tls');
    this.faults = new NetFaults(random);
  }

  get ports(): LinkPorts {
    return { scheduler: this.#scheduler, faults: this.faults };
  }

  /** Connections with an open end. */
  get connections(): number {
    return Math.ceil(this.#connections.size / 2);
  }

  attach(node: string, clock: SimClock): SimNet {
    const tls: SimTlsPorts = { clock, random: this.#random };
    const dial = (address: NetAddress, timeoutMs: number) => this.#dial(node, clock, address, timeoutMs);
    return {
      listen: async (address, accept) => this.#bind(node, address, { node, accept }),
      serveHttp: async (address, { tls }: HttpServerLimits, handler) => ({
        ...this.#bind(node, address, { node, handler }),
        // Without a wire there is nothing to encrypt: an identity is only there or not.
        renewIdentity() {
          if (tls === undefined) throw new SystemError('EINVAL', 'the listener has no TLS');
        },
      }),
      dial,
      listenTls: async (address, options, accept) => {
        if (address.kind === 'unix') throw new SystemError('EINVAL', 'a Unix socket has no TLS');
        return this.#bind(node, address, {
          node,
          accept: (wire) => simTlsAccept(wire as SimDuplex, tls, options, accept),
        });
      },
      dialTls: (address, options) => simTlsDial(address, tls, options, dial),
      request: (address, request) => this.#request(node, address, request),
    };
  }

  /** Everything of a node that has died goes away. */
  detach(node: string): void {
    for (const [key, served] of this.#served) if (served.node === node) this.#served.delete(key);
    for (const connection of [...this.#connections]) if (connection.node === node) connection.orphan();
  }

  #key(node: string, address: NetAddress): string {
    if (address.kind === 'unix') return `${node} unix ${address.path}`;
    return isLoopback(address.host) ? `${node} tcp ${address.port}` : `tcp ${address.host}:${address.port}`;
  }

  #bind(node: string, wanted: NetAddress, served: Served): Listener {
    const address = wanted.kind === 'tcp' && wanted.port === 0 ? { ...wanted, port: this.#port++ } : wanted;
    const key = this.#key(node, address);
    if (this.#served.has(key)) throw new SystemError('EADDRINUSE', 'the simulated address is in use');
    this.#served.set(key, served);
    const close = async () => {
      if (this.#served.get(key) === served) this.#served.delete(key);
    };
    return { address, close, [Symbol.asyncDispose]: close };
  }

  #dial(node: string, clock: SimClock, address: NetAddress, timeoutMs: number): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const key = this.#key(node, address);
      const target = this.#served.get(key);
      const timeout = () => reject(new SystemError('ETIMEDOUT', `no connection within ${timeoutMs} ms`));
      if (target !== undefined && this.faults.isCut(node, target.node)) {
        this.faults.note('partitioned');
        clock.after(timeoutMs, timeout, 'dial');
        return;
      }
      const connect = () => {
        const accept = this.#served.get(key)?.accept;
        if (target === undefined || accept === undefined) {
          this.faults.note('refused');
          reject(new SystemError('ECONNREFUSED', 'nobody listens at the simulated address'));
          return;
        }
        const forget = (end: SimDuplex) => void this.#connections.delete(end);
        const here = new SimDuplex(node, target.node, this.ports, forget);
        const there = new SimDuplex(target.node, node, this.ports, forget);
        SimDuplex.connect(here, there);
        this.#connections.add(here).add(there);
        accept(there);
        resolve(here);
      };
      const roundTripMs = this.faults.delayMs() + this.faults.delayMs();
      if (roundTripMs > timeoutMs) clock.after(timeoutMs, timeout, 'dial');
      else if (roundTripMs > 0) clock.after(roundTripMs, connect, 'dial');
      else queueMicrotask(connect);
    });
  }

  async #request(node: string, address: NetAddress, request: SimRequest): Promise<HttpResponse> {
    const served = this.#served.get(this.#key(node, address));
    if (served?.handler === undefined || this.faults.isCut(node, served.node)) {
      this.faults.note('refused');
      throw new SystemError('ECONNREFUSED', 'nobody serves the simulated address');
    }
    const { body = emptyBody, headers = {}, method, signal, target } = request;
    const response = await served.handler({
      method,
      target,
      headers: { host: 'sim', ...headers },
      body: body instanceof Uint8Array ? new ResidentBody(body) : body,
      remote: node,
      onAbort: (callback) => signal?.addEventListener('abort', () => callback(), { once: true }),
    });
    this.#scheduler.record(`${node}>${served.node} ${method} ${target} ${response.status}`);
    return response;
  }
}
