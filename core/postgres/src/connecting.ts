import type { ClientConfig, CustomTypesConfig } from 'pg';
import pg from 'pg';
import type { PostgresConfig } from './config.ts';
import { PostgresError } from './failures.ts';

/** PostgreSQL 15. */
const versionMin = 150_000;
/** Milliseconds beyond the server's own time-out after which the client stops waiting: the server may be gone. */
const clientGraceMs = 1_000;
const int8 = 20;

/** `bigint` columns hold times and counts: numbers, or an error for one that a number cannot hold. */
const types: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === int8 && format !== 'binary' ? parseSafeInteger : pg.types.getTypeParser(oid, format)) as never,
};

function parseSafeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is past what a number holds`);
  return value;
}

/** What the driver is given. @throws PostgresError for a URL that is none; its text, which holds a password, is not in it. */
export function clientConfig(config: PostgresConfig, what: string): ClientConfig {
  const { url, schema, connect_timeout_ms, statement_timeout_ms } = config;
  if (!/^postgres(ql)?:\/\/./.test(url) || !isParsable(url)) {
    throw new PostgresError('postgres.url must be postgres://user:password@host:port/database; set RON_POSTGRES_URL');
  }
  return {
    connectionString: url,
    application_name: `ron ${what}`,
    connectionTimeoutMillis: connect_timeout_ms,
    statement_timeout: statement_timeout_ms,
    lock_timeout: statement_timeout_ms,
    idle_in_transaction_session_timeout: 2 * statement_timeout_ms,
    query_timeout: statement_timeout_ms + clientGraceMs,
    keepAlive: true,
    // An acknowledged change is on the primary's disk, whatever the server's default is.
    options: `-c search_path=${schema} -c synchronous_commit=on -c default_transaction_isolation=read\\ committed`,
    types,
  };
}

function isParsable(url: string): boolean {
  try {
    // A socket's URL has no host: `postgres://user@/database?host=/folder`.
    return new URL(url.replace(/@\//, '@localhost/').replace(/:\/\/\//, '://localhost/')).pathname.length > 1;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** Only the primary decides. @throws PostgresError for a standby, an old server, or one that acknowledges what it may lose. */
export async function checkServer(client: Pick<pg.ClientBase, 'query'>): Promise<void> {
  const { rows } = await client.query<{ version: string; standby: boolean; fsync: string }>(
    `select current_setting('server_version_num') as version, pg_is_in_recovery() as standby,
            current_setting('fsync') as fsync`,
  );
  const { version, standby, fsync } = rows[0]!;
  if (Number(version) < versionMin) throw new PostgresError('the server must be PostgreSQL 15 or newer');
  if (standby) throw new PostgresError('the server is a standby: postgres.url must name the primary');
  if (fsync !== 'on') throw new PostgresError('the server runs with fsync off: what it acknowledges could be lost');
}
