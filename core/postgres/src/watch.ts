import { type Clock, sleep } from '@ron/kernel';
import pg from 'pg';
import type { PostgresConfig } from './config.ts';
import { checkServer, clientConfig } from './connecting.ts';
import type { Hints } from './hints.ts';

/** Between two looks at a server that answers, and two tries to reach one that does not. */
const lookMs = 1_000;
/** Hints wait this long for others to go with them. */
const gatherMs = 5;

/**
 * One connection that does no work: it says whether the primary is there, tells hints and hears them. It comes back by
 * itself when the server does, and then says that hints may have been lost.
 */
export class Watch implements AsyncDisposable {
  readonly #config: PostgresConfig;
  readonly #clock: Clock;
  readonly #hints: Hints;
  readonly #channel: string;
  readonly #stop = new AbortController();
  #client: pg.Client | undefined;
  /** Aborted when the connection of now is lost. */
  #broken = new AbortController();
  /** Resolves when the client has no connection any more. */
  #ended: Promise<void> = Promise.resolve();
  #failure: string | undefined = 'the database was not reached yet';
  #running: Promise<void> | undefined;
  #telling = false;

  constructor(config: PostgresConfig, clock: Clock, hints: Hints) {
    this.#config = config;
    this.#clock = clock;
    this.#hints = hints;
    this.#channel = `ron_${config.schema}`;
  }

  /** Why the database cannot be used; undefined while it can. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Rejects when the server cannot be used now; from then on it goes on by itself. */
  async start(): Promise<void> {
    await this.#connect();
    this.#running = this.#run();
  }

  publish(topic: string, key: string): void {
    this.#hints.publish(topic, key);
    this.#tellSoon();
  }

  #tellSoon(): void {
    if (this.#telling || this.#client === undefined) return;
    this.#telling = true;
    this.#clock.after(gatherMs, () => void this.#tell());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Error('closed');
    this.#stop.abort(closed);
    this.#broken.abort(closed);
    this.#failure = closed.message;
    await this.#running;
    await this.#drop();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const client = this.#client ?? (await this.#connect());
        await sleep(this.#clock, lookMs, this.#broken.signal);
        await checkServer(client);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#failure = `the database cannot be used: ${error instanceof Error ? error.message : String(error)}`;
        await this.#drop();
        const pause = sleep(this.#clock, lookMs, this.#stop.signal);
        // Only closing ends it early, and that ends the loop.
        await pause.catch(() => undefined);
      }
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client(clientConfig(this.#config, 'watch'));
    const broken = new AbortController();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    client.on('error', (error) => broken.abort(error));
    client.once('end', () => {
      broken.abort(new Error('the connection ended'));
      resolve();
    });
    client.on('notification', ({ payload }) => this.#hints.heard(payload ?? ''));
    this.#client = client;
    this.#broken = broken;
    this.#ended = ended;
    try {
      await client.connect();
      await checkServer(client);
      await client.query(`listen ${this.#channel}`);
    } catch (error) {
      await this.#drop();
      throw error;
    }
    this.#failure = undefined;
    this.#hints.missed();
    if (this.#hints.pending) this.#tellSoon();
    return client;
  }

  async #tell(): Promise<void> {
    try {
      for (const payload of this.#hints.take()) {
        await this.#client?.query('select pg_notify($1, $2)', [this.#channel, payload]);
      }
    } catch (error) {
      // Only hints are lost; a new connection says so to who listens there.
      this.#broken.abort(error);
    }
    this.#telling = false;
    // What was published meanwhile.
    if (this.#hints.pending) this.#tellSoon();
  }

  /** At once, whatever the server does. */
  async #drop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    client.connection?.stream.destroy();
    await this.#ended;
  }
}
