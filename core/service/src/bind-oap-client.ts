import type { Env, NetAddress } from '@ron/kernel';
import { createOapClient, limits, type OapCall, type OapClient, type OapReply } from '@ron/oap';
import type { Contract, Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { oapPeer, type PeerIdentity } from './oap-peer.ts';

export interface OapPeerOptions extends PeerIdentity {
  readonly env: Env;
  readonly address: NetAddress;
  readonly agent?: string;
}

const dialTimeoutMs = limits.handshakeTimeoutMs;

/** Keeps one connection to another process, and dials again when it is gone. */
export class OapLink implements AsyncDisposable {
  readonly #options: OapPeerOptions;
  #client: Promise<OapClient> | undefined;
  #disposed = false;

  constructor(options: OapPeerOptions) {
    this.#options = options;
  }

  /** A typed peer of a contract that is served at the other end. */
  peer<C extends Contract>(contract: C): Peer<C> {
    return oapPeer(contract, this.#options, (call) => this.#call(call));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const client = await this.#client?.catch(() => undefined);
    client?.close();
    await client?.closed;
  }

  async #call(call: OapCall): Promise<OapReply> {
    const { clock } = this.#options.env;
    const startMs = clock.monotonicMs();
    const client = await this.#connected();
    if (call.timeoutMs === undefined) return client.call(call);
    const timeoutMs = call.timeoutMs - (clock.monotonicMs() - startMs);
    if (timeoutMs <= 0) throw new RonError('deadline_exceeded', 'the call did not finish in time');
    return client.call({ ...call, timeoutMs });
  }

  /** All who find the connection gone share one new one. */
  async #connected(): Promise<OapClient> {
    const present = this.#client;
    const client = await present?.catch(() => undefined);
    if (this.#disposed) throw new RonError('unavailable', 'the node is stopping');
    if (client?.open) return client;
    if (this.#client === present) this.#client = this.#dial();
    return this.#client!;
  }

  async #dial(): Promise<OapClient> {
    const { env, address, agent } = this.#options;
    try {
      const pipe = await env.net.dial(address, dialTimeoutMs);
      return createOapClient({ pipe, clock: env.clock, ...(agent === undefined ? {} : { agent }) });
    } catch (cause) {
      throw new RonError('unavailable', 'the peer does not answer', { cause, retryAfterMs: 250 });
    }
  }
}
