import type { Env, Timer } from '@ron/kernel';
import type { Postgres } from '@ron/postgres';
import { RonError } from '@ron/proto/errors';
import type { MailboxConfig } from '../config.ts';
import type {
  BoxCounts,
  BoxKey,
  DeadLetter,
  EngineCounters,
  HeldAddress,
  LeasedMessage,
  MailboxEngine,
  Page,
  PeekedMessage,
  PlainCommand,
  Position,
  Totals,
} from '../engine/engine.ts';
import { limitsOf } from '../limits.ts';
import type { Outcomes, Receive } from '../state/command.ts';
import type { MachineLimits } from '../state/machine.ts';
import { countOf, type Moment, perform, performReceive } from './commands.ts';
import { countCommand, countReceived, newCounters } from './counters.ts';
import { Partitions, partitionOf } from './partitions.ts';
import { type AliveRow, type BoxRow, countsOf, type DeadRow, deadLetterOf, peekedOf } from './rows.ts';
import {
  hasBox,
  lastOrder,
  listAddressed,
  listAlive,
  listBoxes,
  listDead,
  listDue,
  look,
  readStats,
  readTotals,
} from './statements.ts';
import { type BoxLook, nameOf, WatchedBoxes } from './watched-boxes.ts';

export interface PostgresMailboxesOptions {
  readonly env: Pick<Env, 'clock'>;
  readonly database: Postgres;
  /** Read at each use. */
  readonly config: () => Readonly<MailboxConfig>;
  /** Bytes of all bodies and headers. */
  readonly bytesMax: number;
}

const topic = 'mailbox';
/** Between two looks for what is due in boxes that nobody asks for. */
const sweepMs = 30_000;

/**
 * Mailboxes in PostgreSQL: any number of processes may use them at once, and none of them keeps anything. The database
 * belongs to who opened it. While it cannot be reached, calls reject with `unavailable`; what was under way then was done
 * as a whole or not at all.
 */
export async function openPostgresMailboxes(options: PostgresMailboxesOptions): Promise<MailboxEngine> {
  const engine = new PostgresMailboxes(options);
  // The clock goes on from where all processes left it.
  await engine.recordTime();
  return engine;
}

class PostgresMailboxes implements MailboxEngine {
  readonly durability = 'fsync';
  readonly #clock: Env['clock'];
  readonly #database: Postgres;
  readonly #limits: () => MachineLimits;
  readonly #counters = newCounters();
  readonly #partitions: Partitions;
  readonly #watched: WatchedBoxes;
  readonly #hints: Disposable;
  #sweep: Timer;
  #closed = false;

  constructor({ env, database, config, bytesMax }: PostgresMailboxesOptions) {
    this.#clock = env.clock;
    this.#database = database;
    this.#limits = limitsOf(config, bytesMax);
    this.#partitions = new Partitions(database, env.clock, this.#counters);
    this.#watched = new WatchedBoxes(env.clock, (key, limit) => this.#look(key, limit));
    this.#hints = database.subscribe(topic, (names) => this.#watched.heard(names));
    this.#sweep = env.clock.after(sweepMs, () => void this.#sweepDue());
  }

  get failure(): string | undefined {
    return this.#closed ? 'closed' : this.#database.failure;
  }

  get counters(): EngineCounters {
    return this.#counters;
  }

  async execute<C extends PlainCommand>(command: C): Promise<Outcomes[C['op']]> {
    const outcome = await this.#within(command, (moment) => perform(moment, command));
    countCommand(this.#counters, command, outcome);
    if (command.op !== 'extend') {
      this.#watched.changed(command);
      this.#database.publish(topic, nameOf(command));
    }
    return outcome;
  }

  async receive(command: Receive): Promise<readonly LeasedMessage[]> {
    const leased = await this.#within(command, (moment) => performReceive(moment, command));
    countReceived(this.#counters, leased);
    return leased;
  }

  deadLetters(
    key: BoxKey,
    after: Position | undefined,
    limit: number,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Promise<Page<DeadLetter> | undefined> {
    const { tenant, box } = key;
    return this.#within(key, async ({ session }) => {
      if ((await session.query(hasBox, [tenant, box])).length === 0) return undefined;
      const values = [tenant, box, after?.order ?? -1, after?.id ?? '', limit, countOf(bytesMax)];
      const items = (await session.query<DeadRow>(listDead, values)).map(deadLetterOf);
      const last = items.at(-1);
      return { items, next: last && { order: last.order, id: last.id } };
    });
  }

  peek(
    key: BoxKey,
    after: Position | undefined,
    limit: number,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Promise<Page<PeekedMessage>> {
    return this.#within(key, async ({ session }) => {
      if (after === undefined) {
        const [row] = await session.query<{ readonly ord: number }>(lastOrder, []);
        return { items: [], next: { order: row!.ord, id: '' } };
      }
      const values = [key.tenant, key.box, after.order, limit, countOf(bytesMax)];
      const items = (await session.query<AliveRow>(listAlive, values)).map(peekedOf);
      const last = items.at(-1);
      return { items, next: last === undefined ? after : { order: last.order, id: last.id } };
    });
  }

  stats(key: BoxKey): Promise<BoxCounts | undefined> {
    return this.#within(key, async ({ session, nowMs }) => {
      const [row] = await session.query<BoxRow>(readStats, [key.tenant, key.box]);
      return row && countsOf(row, nowMs);
    });
  }

  async boxes(tenant: string, after: string | undefined, limit: number): Promise<readonly BoxCounts[]> {
    const rows = await this.#database.query<BoxRow>(listBoxes, [tenant, after, limit]);
    return rows.map((row) => countsOf(row, this.#partitions.nowMs));
  }

  async recordTime(): Promise<void> {
    await this.#partitions.run(0, async () => undefined);
  }

  /** In the order of ids: a redrive, which makes a message a later one, moves nothing past a walk. */
  async roots(after: Position | undefined, limit: number): Promise<Page<HeldAddress>> {
    const items = await this.#database.query<HeldAddress>(listAddressed, [after?.id ?? '', limit]);
    const last = items.length < limit ? undefined : items.at(-1);
    return { items, next: last && { order: 0, id: last.id } };
  }

  async totals(): Promise<Totals> {
    const [row] = await this.#database.query<Totals>(readTotals, []);
    return row!;
  }

  watch(key: BoxKey, wake: () => void, options?: { readonly peek?: boolean }): Disposable {
    if (!this.#closed) return this.#watched.watch(key, wake, options?.peek === true);
    queueMicrotask(wake);
    return { [Symbol.dispose]: () => undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#sweep.cancel();
    this.#hints[Symbol.dispose]();
    // Leases, delays and expiry go on from here.
    const told = this.recordTime();
    this.#closed = true;
    this.#watched.close();
    await told.catch((error: unknown) => {
      // Without the database nothing but time is lost.
      if (!(error instanceof RonError)) throw error;
    });
  }

  #within<T>(key: BoxKey, work: (moment: Moment) => Promise<T>): Promise<T> {
    if (this.#closed) {
      return Promise.reject(new RonError('unavailable', 'the mailboxes are closed', { retryAfterMs: 1_000 }));
    }
    const partition = partitionOf(key);
    return this.#partitions.run(partition, (session, nowMs) =>
      work({ session, partition, nowMs, wallMs: this.#clock.wallMs(), limits: this.#limits() }),
    );
  }

  async #look({ tenant, box }: BoxKey, limit: number): Promise<BoxLook> {
    const read = async () => {
      const [row] = await this.#database.query<{
        readonly offered: number;
        readonly next_ms: number | null;
        readonly last_order: number | null;
      }>(look, [tenant, box, limit]);
      const { offered = 0, next_ms = null, last_order = null } = row ?? {};
      const nextMs = next_ms === null ? undefined : next_ms - this.#partitions.nowMs;
      return { offered, nextMs, lastOrder: last_order ?? 0 };
    };
    const seen = await read();
    if (seen.nextMs === undefined || seen.nextMs > 0) return seen;
    await this.#partitions.in({ tenant, box }, async () => undefined);
    return read();
  }

  async #sweepDue(): Promise<void> {
    try {
      const due = await this.#database.query<{ readonly id: number }>(listDue, [this.#partitions.nowMs]);
      for (const { id } of due) if (!this.#closed) await this.#partitions.run(id, async () => undefined);
    } catch (error) {
      // The database is away: readiness says so, and the next sweep does it.
      if (!(error instanceof RonError)) throw error;
    }
    if (!this.#closed) this.#sweep = this.#clock.after(sweepMs, () => void this.#sweepDue());
  }
}
