export { PostgresConfig } from './config.ts';
export { PostgresError } from './failures.ts';
export type { HintListener } from './hints.ts';
export { openPostgres, type Postgres, type PostgresOptions, type Session, type Statement } from './postgres.ts';
