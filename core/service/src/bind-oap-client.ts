import type { Env, NetAddress } from '@ron/kernel';
import { parseTenant } from '@ron/naming';
import { createOapClient, limits, type OapClient } from '@ron/oap';
import type { Contract, Peer, PeerOptions } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { corrIdOf } from './corr-id.ts';

export interface OapPeerOptions {
  readonly env: Env;
  readonly address: NetAddress;
  /** The capability of this process for the contract that it calls; asked for on each call, so that it can be renewed. */
  readonly capability: () => Uint8Array | undefined;
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
    const peer: Record<string, (input: unknown, options?: PeerOptions) => Promise<unknown>> = {};
    for (const [operation, { body, limits: own }] of Object.entries(contract.operations)) {
      const takes = body === 'in' || body === 'both';
      // The callee's own limit: a callee that does not keep it, or does not answer at all, must not hold its callers.
      const timeoutMs = own?.timeoutMs ?? (takes ? Number.POSITIVE_INFINITY : limits.controlRequestTimeoutMs);
      const sends = body === 'out' || body === 'both';
      peer[operation] = async (input, options = {}) => {
        const reply = await this.#call(contract.app, operation, timeoutMs, input, options);
        return sends ? { output: reply.output, body: reply.body } : reply.output;
      };
    }
    return peer as unknown as Peer<C>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const client = await this.#client?.catch(() => undefined);
    client?.close();
    await client?.closed;
  }

  async #call(app: number, operation: string, ownTimeoutMs: number, input: unknown, options: PeerOptions) {
    const { env, capability } = this.#options;
    const { context } = options;
    const client = await this.#connected();
    const leftMs = (context?.deadlineMs ?? Number.POSITIVE_INFINITY) - env.clock.monotonicMs();
    if (leftMs <= 0) throw new RonError('deadline_exceeded', 'the call did not finish in time');
    const timeoutMs = Math.min(leftMs, ownTimeoutMs);
    return client.call({
      app,
      operation,
      input,
      body: options.body,
      bodyBytes: options.bodyBytes,
      capability: capability(),
      tenant: context === undefined || context.tenant === '' ? undefined : parseTenant(context.tenant),
      corrId: context?.corrId ?? corrIdOf(undefined, env),
      timeoutMs: Number.isFinite(timeoutMs) ? timeoutMs : undefined,
      traceparent: context?.traceparent,
      idempotencyKey: options.idempotencyKey,
      signal: context?.signal,
    });
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
