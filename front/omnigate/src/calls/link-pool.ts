import type { Env, NetAddress } from '@ron/kernel';
import { createOapClient, limits, type OapCall, type OapClient, type OapReply } from '@ron/oap';
import { RonError } from '@ron/proto/errors';

export interface LinkPoolOptions {
  readonly env: Pick<Env, 'clock' | 'net'>;
  readonly address: NetAddress;
  /** Connections to this backend. Each carries 64 calls. */
  readonly connectionsMax: number;
  /** Until a connection stands, milliseconds. */
  readonly dialMs: number;
  readonly agent: string;
}

/** The call did not leave: there is no connection, and none could be made. */
export class Unsent extends RonError {
  constructor(message: string, cause?: unknown) {
    super('unavailable', message, { cause, retryAfterMs: 250, details: { gate: 'backends' } });
  }
}

interface Link {
  readonly client: OapClient;
  /** Calls on it, their answers' bodies included. */
  live: number;
}

/** An answer, and the place on the connection that it takes until it is over. */
export interface Answered {
  readonly reply: OapReply;
  /** The answer and its body are over. Idempotent. */
  done(): void;
}

/** A new connection is opened once the others have this many calls each: before it hurts. */
const crowded = limits.streamsPerConnectionMax / 4;
/** After a failed dial the next one waits this long; calls until then fail at once. */
const redialMs = 100;

/** Some connections to one backend, each with up to 64 calls; dialled when needed, and again when they are gone. */
export class LinkPool {
  readonly #options: LinkPoolOptions;
  /** Open ones; bounded by `connectionsMax`. */
  #links: Link[] = [];
  #dialing: Promise<Link> | undefined;
  #redialAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: LinkPoolOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#links.length;
  }

  /** Rejects with `RonError`; `Unsent` when nothing of the call has left. */
  async call(call: OapCall): Promise<Answered> {
    const link = this.#best() ?? (await this.#dialed());
    if (call.signal?.aborted) throw new Unsent('the call ended before it left');
    link.live += 1;
    let over = false;
    const done = (): void => {
      if (over) return;
      over = true;
      link.live -= 1;
    };
    try {
      const reply = await link.client.call(call);
      if (reply.body === undefined) done();
      return { reply, done };
    } catch (error) {
      done();
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    for (const { client } of this.#links.splice(0)) client.close();
  }

  /** The connection with the fewest calls; undefined when none has room. Opens another one when all have much to do. */
  #best(): Link | undefined {
    let best: Link | undefined;
    for (const link of this.#links) {
      if (link.client.open && (best === undefined || link.live < best.live)) best = link;
    }
    if (best !== undefined && best.live >= crowded && this.#mayDial()) this.#dialed().catch(ignoreDial);
    return best === undefined || best.live >= limits.streamsPerConnectionMax ? undefined : best;
  }

  #mayDial(): boolean {
    if (this.#dialing !== undefined || this.#links.length >= this.#options.connectionsMax) return false;
    return this.#options.env.clock.monotonicMs() >= this.#redialAtMs;
  }

  /** All who need one wait for the same. */
  #dialed(): Promise<Link> {
    if (this.#dialing !== undefined) return this.#dialing;
    if (this.#closed) return Promise.reject(new Unsent('the node is stopping'));
    if (this.#links.length >= this.#options.connectionsMax)
      return Promise.reject(new Unsent('all connections to the backend are full'));
    if (!this.#mayDial()) return Promise.reject(new Unsent('the backend does not answer'));
    this.#dialing = this.#dial().finally(() => {
      this.#dialing = undefined;
    });
    return this.#dialing;
  }

  async #dial(): Promise<Link> {
    const { env, address, dialMs, agent } = this.#options;
    try {
      const pipe = await env.net.dial(address, dialMs);
      const link: Link = { client: createOapClient({ pipe, clock: env.clock, agent }), live: 0 };
      if (this.#closed) {
        link.client.close();
        throw new Error('closed while it was dialled');
      }
      this.#links.push(link);
      void link.client.closed.then(() => {
        this.#links = this.#links.filter((one) => one !== link);
      });
      return link;
    } catch (cause) {
      this.#redialAtMs = env.clock.monotonicMs() + redialMs;
      throw new Unsent('the backend does not answer', cause);
    }
  }
}

/** Who opened it ahead of need does not need it. */
function ignoreDial(error: unknown): void {
  if (!(error instanceof Unsent)) throw error;
}
