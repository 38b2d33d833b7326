import type { Postgres } from '@ron/postgres';
import type { Change, Head, NameEngine, NamesChanged, Outcome, VersionPosition } from '../engine.ts';
import type { NameRecord } from '../record.ts';
import { changeName, countNames, createName, listHeads, readHead, readHistory, walkVersions } from './statements.ts';

interface RecordRow {
  readonly name: string;
  readonly version: number;
  readonly address: string;
  readonly prev: string | null;
  readonly updated_at: number;
  readonly owner: string;
  readonly expires_at: number | null;
  readonly signature: string;
}

interface HeadRow extends RecordRow {
  readonly removed: boolean;
}

const topic = 'names';
const lastCharacter = '\u{10ffff}';
/** As many as the migration made rows in `name_counts`. */
const stripes = 16;

/**
 * Names in PostgreSQL: durable when `change` resolves, and any number of processes may use them at once; the row of a name
 * decides between them. The database belongs to who opened it. While it cannot be reached, every call rejects with
 * `unavailable`.
 */
export function createPostgresNames(database: Postgres): NameEngine {
  return new PostgresNames(database);
}

class PostgresNames implements NameEngine {
  readonly durability = 'fsync';
  readonly others: NonNullable<NameEngine['others']>;
  readonly #database: Postgres;

  constructor(database: Postgres) {
    this.#database = database;
    this.others = { subscribe: (changed: NamesChanged) => database.subscribe(topic, changed) };
  }

  get failure(): string | undefined {
    return this.#database.failure;
  }

  async size(): Promise<number> {
    const rows = await this.#database.query<{ held: number }>(countNames, []);
    return rows[0]!.held;
  }

  async head(name: string): Promise<Head | undefined> {
    const [row] = await this.#database.query<HeadRow>(readHead, [name]);
    return row === undefined ? undefined : headOf(row);
  }

  async change(change: Change): Promise<Outcome> {
    const outcome = await (change.expectedVersion === 0 ? this.#create(change) : this.#advance(change));
    if (outcome === 'done') this.#database.publish(topic, change.head.record.name);
    return outcome;
  }

  async history(name: string, belowVersion: number, limit: number): Promise<readonly NameRecord[]> {
    const rows = await this.#database.query<RecordRow>(readHistory, [name, belowVersion, limit]);
    return rows.map(recordOf);
  }

  async list(prefix: string, after: string | undefined, limit: number): Promise<readonly Head[]> {
    const rows = await this.#database.query<HeadRow>(listHeads, [prefix, lastCharacter, after, limit]);
    return rows.map(headOf);
  }

  async versions(after: VersionPosition | undefined, limit: number): Promise<readonly NameRecord[]> {
    const { name, version } = after ?? { name: '', version: 0 };
    const rows = await this.#database.query<RecordRow>(walkVersions, [name, version, limit]);
    return rows.map(recordOf);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is kept here.
  }

  async #create({ head: { record }, namesMax }: Change): Promise<Outcome> {
    const values = [...valuesOf(record), namesMax, stripeOf(record.name)];
    const [row] = await this.#database.query<{ done: boolean; free: boolean; known: boolean }>(createName, values);
    const { done, free, known } = row!;
    if (done) return 'done';
    return free || known ? 'stale' : 'full';
  }

  async #advance({ expectedVersion, expectedRemoved, head, versionsMax }: Change): Promise<Outcome> {
    const { record, removed } = head;
    const oldest = record.version - versionsMax + 1;
    const values = [...valuesOf(record), expectedVersion, expectedRemoved, removed, oldest];
    const [row] = await this.#database.query<{ done: boolean }>(changeName, values);
    return row!.done ? 'done' : 'stale';
  }
}

function valuesOf({ name, version, address, prev, updated_at, owner, expires_at, signature }: NameRecord): unknown[] {
  return [name, version, address, prev, updated_at, owner, expires_at, signature];
}

function recordOf({ name, version, address, prev, updated_at, owner, expires_at, signature }: RecordRow): NameRecord {
  const expiry = expires_at === null ? {} : { expires_at };
  return Object.freeze({ name, address, version, prev, updated_at, owner, ...expiry, signature });
}

function headOf(row: HeadRow): Head {
  return { record: recordOf(row), removed: row.removed };
}

/** Any spreading will do: FNV-1a. */
function stripeOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % stripes;
}
