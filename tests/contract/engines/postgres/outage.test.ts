import type { Postgres } from '@ron/postgres';
import { createPostgresNames, type NameEngine } from '@ron/svc-index/service';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PostgresServer } from '../../../support/postgres-server.ts';
import { startSocketProxy } from '../../../support/socket-proxy.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { firstSetting } from '../first-setting.ts';
import { newSchema, openDatabase } from './databases.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.create();
});
afterAll(() => server[Symbol.asyncDispose]());

const setting = (name: string) => firstSetting(name, 1e6);

/** Resolves when the database is there again: "anything may have changed" is then told. */
function reached(database: Postgres): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  database.subscribe('test', () => resolve());
  return promise;
}

/** Resolves when the process itself has noticed, without a call. */
async function noticed(database: Postgres): Promise<void> {
  await expect.poll(() => database.failure, { timeout: 60_000 }).toBeDefined();
}

/** Names as fast as they are taken until one is refused. Gives those that were acknowledged. */
async function write(engine: NameEngine, client: string, onFirst: () => void): Promise<readonly string[]> {
  const acknowledged: string[] = [];
  for (let count = 0; ; count += 1) {
    const name = `${client}/${count}`;
    try {
      expect(await engine.change(setting(name))).toBe('done');
    } catch (error) {
      expect(error).toMatchObject({ code: 'unavailable' });
      return acknowledged;
    }
    acknowledged.push(name);
    if (count === 20) onFirst();
  }
}

test.each(['fast', 'crash'] as const)(
  'a server that goes away under writes (%s) and comes back: refusals, readiness, recovery, and no loss',
  async (how) => {
    await using database = await openDatabase(newSchema(), { url: server.url() });
    const engine = createPostgresNames(database);
    const { promise: going, resolve: onFirst } = Promise.withResolvers<void>();
    const clients = Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((client) => write(engine, client, onFirst)));
    await going;
    await server.stop(how);
    const acknowledged = (await clients).flat();
    await noticed(database);
    expect(engine.failure).toMatch(/^the database cannot be used/);
    await expect(engine.head('a/0')).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 });
    const again = reached(database);
    await server.start();
    await again;
    expect(engine.failure).toBeUndefined();
    for (const name of acknowledged) expect(await engine.head(name)).toEqual(setting(name).head);
    expect(await engine.change(setting('after'))).toBe('done');
  },
);

test('a primary that became a standby decides nothing: calls are refused, and the reason says so', async () => {
  const schema = newSchema();
  await using database = await openDatabase(schema, { url: server.url() });
  const engine = createPostgresNames(database);
  await engine.change(setting('a'));
  await server.stop();
  server.become('standby');
  await server.start();
  await expect.poll(() => engine.failure, { timeout: 60_000 }).toMatch(/standby/);
  await expect(engine.change(setting('b'))).rejects.toMatchObject({ code: 'unavailable' });
  await expect(engine.head('a')).rejects.toMatchObject({ code: 'unavailable' });
  await expect(openDatabase(schema, { url: server.url() })).rejects.toThrow(/is a standby/);
  const again = reached(database);
  await server.stop();
  server.become('primary');
  await server.start();
  await again;
  expect(await engine.head('a')).toEqual(setting('a').head);
});

test('a server that is silent, its connections still open: calls end at their time, and all is well when it speaks', async () => {
  using folder = tempFolder();
  await using proxy = await startSocketProxy(folder.join('.s.PGSQL.5432'), server.socketPath);
  const url = `postgres://ron@/postgres?host=${encodeURIComponent(folder.path)}`;
  await using database = await openDatabase(newSchema(), { url, statement_timeout_ms: 500, connect_timeout_ms: 2_000 });
  const engine = createPostgresNames(database);
  expect(await engine.change(setting('a'))).toBe('done');
  const again = reached(database);
  proxy.silence();
  await expect(engine.head('a')).rejects.toMatchObject({ code: 'unavailable' });
  await again;
  expect(await engine.head('a')).toEqual(setting('a').head);
});
