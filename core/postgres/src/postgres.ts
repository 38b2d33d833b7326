import type { Env } from '@ron/kernel';
import pg from 'pg';
import type { PostgresConfig } from './config.ts';
import { checkServer, clientConfig } from './connecting.ts';
import { isSpent, isUndone, PostgresError, refusalOf, unavailable } from './failures.ts';
import { type HintListener, Hints } from './hints.ts';
import { migrate, migrateQueryMs } from './migrate.ts';
import { Watch } from './watch.ts';

/** A statement that the server prepares once for each connection. The name is of this text alone. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export interface Session {
  /** Rejects with `RonError` `unavailable` or `insufficient_storage` for the server's state, and with the server's error for the rest. */
  query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]>;
}

/**
 * A bounded number of connections to one PostgreSQL primary, with this program's schema in it. No call waits longer than
 * `connect_timeout_ms` and `statement_timeout_ms` for each of its statements. When one rejects with `unavailable`, what
 * it changed is there as a whole or not at all.
 */
export interface Postgres extends Session, AsyncDisposable {
  /** Why the database cannot be used; undefined while it can. Noticed within seconds, also without calls. */
  readonly failure: string | undefined;
  /** One transaction, read committed. Runs `work` anew when the server undid it for another's sake. */
  transact<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Tells other processes, soon, that this changed. Call it when the change is committed. */
  publish(topic: string, key: string): void;
  /** Hears what others publish; it may be lost, and after that "anything" is told. */
  subscribe(topic: string, listener: HintListener): Disposable;
}

export interface PostgresOptions {
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly config: PostgresConfig;
}

/** Times that a transaction is run which the server undoes. */
const triesMax = 5;

/**
 * Connects, checks the server and brings its schema up to date. The driver opens its own sockets and keeps its own timers,
 * so this bypasses the Net and Clock ports, as LMDB bypasses the Disk port.
 *
 * @throws PostgresError for a server or a schema that cannot be used; `unavailable` when it cannot be reached.
 */
export async function openPostgres({ env, config }: PostgresOptions): Promise<Postgres> {
  const hints = new Hints(Buffer.from(env.random.bytes(9)).toString('base64url'));
  const watch = new Watch(config, env.clock, hints);
  try {
    const client = new pg.Client({ ...clientConfig(config, 'migrate'), query_timeout: migrateQueryMs });
    // What fails outside of a query shows in the next one.
    client.on('error', () => undefined);
    await client.connect();
    try {
      await checkServer(client);
      await migrate(client, config.schema);
    } finally {
      await client.end();
    }
    await watch.start();
  } catch (error) {
    throw error instanceof PostgresError ? error : refusalOf(error);
  }
  return new PooledPostgres(config, watch, hints);
}

class PooledPostgres implements Postgres {
  readonly #pool: pg.Pool;
  readonly #watch: Watch;
  readonly #hints: Hints;
  readonly #waitingMax: number;
  #closed: Promise<void> | undefined;

  constructor(config: PostgresConfig, watch: Watch, hints: Hints) {
    this.#watch = watch;
    this.#hints = hints;
    this.#waitingMax = config.waiting_max;
    this.#pool = new pg.Pool({
      ...clientConfig(config, 'calls'),
      max: config.connections_max,
      idleTimeoutMillis: 60_000,
      // A server that takes the place of the primary may be none; its connections end when it becomes a standby.
      onConnect: (client) => checkServer(client),
    });
    // An idle connection that ends is replaced when the next call needs one.
    this.#pool.on('error', () => undefined);
  }

  get failure(): string | undefined {
    return this.#watch.failure;
  }

  publish(topic: string, key: string): void {
    this.#watch.publish(topic, key);
  }

  subscribe(topic: string, listener: HintListener): Disposable {
    return this.#hints.subscribe(topic, listener);
  }

  query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    return this.#connected((client) => run<Row>(client, statement, values));
  }

  transact<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#connected(async (client) => {
      const session: Session = { query: (statement, values) => run(client, statement, values) };
      for (let tries = 1; ; tries += 1) {
        await client.query('begin');
        try {
          const result = await work(session);
          await client.query('commit');
          return result;
        } catch (error) {
          if (!isSpent(error)) await client.query('rollback');
          if (!isUndone(error) || tries === triesMax) throw error;
        }
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#watch[Symbol.asyncDispose]();
    await this.#pool.end();
  }

  async #connected<T>(task: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw unavailable('the database is closed');
    if (this.#pool.waitingCount >= this.#waitingMax) throw unavailable('too many calls wait for the database');
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw refusalOf(error);
    });
    let spent = false;
    // Without a listener an error between two statements would end the process.
    const onError = () => {
      spent = true;
    };
    client.on('error', onError);
    try {
      return await task(client);
    } catch (error) {
      spent ||= isSpent(error);
      throw refusalOf(error);
    } finally {
      client.off('error', onError);
      client.release(spent);
    }
  }
}

async function run<Row extends object>(
  client: pg.PoolClient,
  { name, text }: Statement,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  const { rows } = await client.query<Row>({ name, text, values: [...values] });
  return rows;
}
