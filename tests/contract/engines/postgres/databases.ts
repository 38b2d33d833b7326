import { createRealEnv } from '@ron/kernel/real';
import { openPostgres, type Postgres, type PostgresConfig } from '@ron/postgres';
import { inject } from 'vitest';

/** A name of this test alone, in the server that all tests of a run share. */
export function newSchema(): string {
  return `t_${Buffer.from(createRealEnv().random.bytes(8)).toString('hex')}`;
}

/** As the profile's defaults, but for a machine that is busy with something else. */
export function settings(schema: string, more: Partial<PostgresConfig> = {}): PostgresConfig {
  return {
    url: inject('postgresUrl'),
    schema,
    connections_max: 8,
    waiting_max: 1_024,
    connect_timeout_ms: 60_000,
    statement_timeout_ms: 60_000,
    ...more,
  };
}

/** What one process has of the database. */
export function openDatabase(schema: string, more: Partial<PostgresConfig> = {}): Promise<Postgres> {
  return openPostgres({ env: createRealEnv(), config: settings(schema, more) });
}
