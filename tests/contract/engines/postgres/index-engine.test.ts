import type { Postgres } from '@ron/postgres';
import { createPostgresNames, type NameEngine } from '@ron/svc-index/service';
import { afterAll } from 'vitest';
import { indexEngineSuite } from '../index-engine-suite.ts';
import { newSchema, openDatabase } from './databases.ts';

let schema = newSchema();
const open = new Set<Postgres>();
afterAll(async () => {
  for (const database of open) await database[Symbol.asyncDispose]();
});

indexEngineSuite('postgres', {
  open: async (): Promise<NameEngine> => {
    for (const earlier of open) await earlier[Symbol.asyncDispose]();
    open.clear();
    const database = await openDatabase(schema);
    open.add(database);
    return createPostgresNames(database);
  },
  reset: async () => {
    schema = newSchema();
  },
});
