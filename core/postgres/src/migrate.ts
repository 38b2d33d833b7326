import type pg from 'pg';
import { PostgresError } from './failures.ts';
import { type Migration, migrations } from './migrations/migrations.ts';

/** Milliseconds for another process that is at it, and for one migration. */
const lockMs = 60_000;
const statementMs = 300_000;
/** Milliseconds after which the driver itself gives up a statement of `migrate`. */
export const migrateQueryMs = statementMs + 1_000;

/**
 * Brings the schema to this program's version: in one transaction, under an advisory lock, so that of processes that
 * start at once one does it and the others find it done. A schema that a newer program has made is left alone.
 *
 * @throws PostgresError for a schema that is newer than this program.
 */
export async function migrate(
  client: Pick<pg.ClientBase, 'query'>,
  schema: string,
  list: readonly Migration[] = migrations,
): Promise<void> {
  await client.query('begin');
  try {
    await client.query(`set local lock_timeout = ${lockMs}; set local statement_timeout = ${statementMs}`);
    await client.query(`select pg_advisory_xact_lock(hashtextextended('ron-schema ' || $1, 0))`, [schema]);
    await client.query(`create schema if not exists ${schema}`);
    await client.query(
      'create table if not exists schema_migrations (version integer primary key, name text not null, at timestamptz not null default now())',
    );
    const { rows } = await client.query<{ version: number }>(
      'select coalesce(max(version), 0) as version from schema_migrations',
    );
    const present = rows[0]!.version;
    if (present > list.length) {
      throw new PostgresError(
        `the schema ${schema} has version ${present}, this program knows ${list.length}: start a program at least as new as the newest`,
      );
    }
    for (const [index, { name, sql }] of list.entries()) {
      if (index < present) continue;
      await client.query(sql);
      await client.query('insert into schema_migrations (version, name) values ($1, $2)', [index + 1, name]);
    }
    await client.query('commit');
  } catch (error) {
    // A connection that is gone has nothing to roll back, and what came first tells why.
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
