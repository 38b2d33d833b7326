import { sleep } from '@ron/kernel';
import { createOapClient, limits, type OapCall, type OapClient, type OapReply } from '@ron/oap';
import type { Contract, Operation, Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { OapPeerOptions } from './bind-oap-client.ts';
import { oapPeer } from './oap-peer.ts';
import { withoutWire } from './wire-error.ts';

export interface OapPoolOptions extends OapPeerOptions {
  /** Each carries 64 calls, more wait in line. Default 16. */
  readonly connectionsMax?: number;
  /** Milliseconds for which a call waits for a peer that is not there. Default 5,000. */
  readonly patienceMs?: number;
}

/** A new connection is opened once the others have this many calls each. */
const crowded = limits.streamsPerConnectionMax / 2;
const redialMs = 25;
/** For a peer that is being replaced: it is known to come back, after a drain and a start. */
const pausedMsMax = 30_000;
const attemptsMax = 3;

/**
 * Several connections to one process that is expected to come back when it is gone. A call waits for it, is sent again
 * where that is safe, and fails with `unavailable` after its patience or `deadline_exceeded` at its deadline. Calls that wait are
 * bounded by whoever makes them.
 */
export class OapPool implements AsyncDisposable {
  readonly #options: OapPoolOptions;
  /** Open ones, at most `connectionsMax`. */
  #clients: OapClient[] = [];
  #dialing: Promise<void> | undefined;
  #pause: PromiseWithResolvers<void> | undefined;
  #disposed = false;

  constructor(options: OapPoolOptions) {
    this.#options = options;
  }

  /** A typed peer of a contract that is served at the other end. */
  peer<C extends Contract>(contract: C): Peer<C> {
    return oapPeer(contract, this.#options, (call, operation) => this.call(call, operation));
  }

  /** From now on calls wait, until `resume` and 30 s at most: the peer is about to be replaced. */
  pause(): void {
    this.#pause ??= Promise.withResolvers();
  }

  resume(): void {
    this.#pause?.resolve();
    this.#pause = undefined;
  }

  async call(call: OapCall, operation: Pick<Operation, 'mutation' | 'leases'>): Promise<OapReply> {
    const { clock } = this.#options.env;
    const startMs = clock.monotonicMs();
    const deadlineMs = startMs + (call.timeoutMs ?? Number.POSITIVE_INFINITY);
    for (let attempt = 1; ; attempt += 1) {
      const client = await this.#client(call.signal, deadlineMs);
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) throw late();
      try {
        return await client.call({ ...call, ...(Number.isFinite(leftMs) ? { timeoutMs: Math.ceil(leftMs) } : {}) });
      } catch (error) {
        if (attempt >= attemptsMax || call.signal?.aborted || !mayRepeat(error, call, operation))
          throw withoutWire(error);
        // Who refuses because it stops is gone in a moment.
        await sleep(clock, redialMs * attempt);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.resume();
    await this.#dialing;
    const closing = this.#clients.splice(0);
    for (const client of closing) client.close();
    await Promise.all(closing.map(({ closed }) => closed));
  }

  get #patienceMs(): number {
    return this.#options.patienceMs ?? 5_000;
  }

  /** The connection with the least to do. Rejects when there is none within the patience, by the deadline, or until `signal` aborts. */
  async #client(signal: AbortSignal | undefined, deadlineMs: number): Promise<OapClient> {
    const { clock } = this.#options.env;
    const patientMs = clock.monotonicMs() + (this.#pause === undefined ? this.#patienceMs : pausedMsMax);
    for (;;) {
      if (this.#disposed) throw new RonError('unavailable', 'the node is stopping');
      if (signal?.aborted) throw late();
      const best = this.#pause === undefined ? this.#best() : undefined;
      if (best !== undefined) return best;
      const leftMs = Math.min(deadlineMs, patientMs) - clock.monotonicMs();
      if (leftMs <= 0 && deadlineMs < patientMs) throw late();
      if (leftMs <= 0) throw new RonError('unavailable', 'the peer does not answer', { retryAfterMs: 250 });
      await this.#within(this.#pause?.promise ?? this.#dialed(), leftMs, signal);
    }
  }

  #best(): OapClient | undefined {
    let best: OapClient | undefined;
    for (const client of this.#clients) if (best === undefined || client.load < best.load) best = client;
    if (best !== undefined && best.load >= crowded && this.#clients.length < (this.#options.connectionsMax ?? 16)) {
      void this.#dialed();
    }
    return best;
  }

  /** All who need a connection wait for the same one. Never rejects: who waits looks again. */
  #dialed(): Promise<void> {
    this.#dialing ??= this.#dial().finally(() => {
      this.#dialing = undefined;
    });
    return this.#dialing;
  }

  async #dial(): Promise<void> {
    const { env, address, agent } = this.#options;
    try {
      const pipe = await env.net.dial(address, limits.handshakeTimeoutMs);
      const client = createOapClient({ pipe, clock: env.clock, ...(agent === undefined ? {} : { agent }) });
      if (this.#disposed) {
        client.close();
        return;
      }
      this.#clients.push(client);
      void client.closed.then(() => {
        this.#clients = this.#clients.filter((one) => one !== client);
      });
    } catch {
      // Not there, for now. Whoever waits for it says so when its patience is over.
      await sleep(env.clock, redialMs);
    }
  }

  async #within(event: Promise<void>, ms: number, signal: AbortSignal | undefined): Promise<void> {
    const over = Promise.withResolvers<void>();
    const leave = () => over.resolve();
    signal?.addEventListener('abort', leave, { once: true });
    const timer = this.#options.env.clock.after(Math.ceil(ms), over.resolve);
    try {
      await Promise.race([event, over.promise]);
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', leave);
    }
  }
}

/** What was not begun may be sent again; what was perhaps done, when doing it twice changes nothing. A body is there once. */
function mayRepeat(
  error: unknown,
  { body }: OapCall,
  { mutation, leases }: Pick<Operation, 'mutation' | 'leases'>,
): boolean {
  if (!(error instanceof RonError) || error.code !== 'unavailable' || body !== undefined) return false;
  if (error.details?.['gate'] === 'draining') return true;
  // An error frame carries the corr_id of its call; without it, it is our own side that lost the connection.
  const isLost = error.details?.['corr_id'] === undefined;
  return isLost && mutation !== true && leases !== true;
}

function late(): RonError {
  return new RonError('deadline_exceeded', 'the call did not finish in time');
}
