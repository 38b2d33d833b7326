import type { TestProject } from 'vitest/node';
import { PostgresServer } from './postgres-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the server that all tests of a run share, each in a schema of its own. */
    readonly postgresUrl: string;
  }
}

/** One server for a run of the tests that need one. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await PostgresServer.create();
  project.provide('postgresUrl', server.url());
  return () => server[Symbol.asyncDispose]();
}
