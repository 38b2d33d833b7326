import { createRealEnv } from '@ron/kernel/real';
import { openPostgres, type Postgres, PostgresError } from '@ron/postgres';
import { expect, test } from 'vitest';
import { newSchema, openDatabase, settings } from './databases.ts';

const statement = (text: string) => ({ name: text.slice(0, 63), text });

test('of processes that start at once one makes the schema, and all can use it', async () => {
  const schema = newSchema();
  const databases = await Promise.all(Array.from({ length: 4 }, () => openDatabase(schema)));
  for (const database of databases) {
    const rows = await database.query<{ version: number }>(
      statement('select version from schema_migrations order by version'),
      [],
    );
    expect(rows.map(({ version }) => version)).toEqual(rows.map((_, index) => index + 1));
    expect(database.failure).toBeUndefined();
    await database[Symbol.asyncDispose]();
  }
});

test('a schema that a newer program made is refused and left alone', async () => {
  const schema = newSchema();
  {
    await using database = await openDatabase(schema);
    await database.query(statement(`insert into schema_migrations (version, name) values (1000, 'later')`), []);
  }
  await expect(openDatabase(schema)).rejects.toThrow(PostgresError);
  await expect(openDatabase(schema)).rejects.toThrow(/has version 1000/);
});

test.each([
  '',
  'ron',
  'postgres://',
  'http://ron:hush@host/x',
  'postgres://ron:hush@host:99999/x',
  'postgres://ron:hush@host',
])('refuses %j without showing it', async (url) => {
  const opening = openDatabase(newSchema(), { url });
  await expect(opening).rejects.toThrow(PostgresError);
  await expect(opening).rejects.toThrow(/^((?!hush).)*$/s);
});

test('a server that is not there is `unavailable`, and its password is in no part of the error', async () => {
  const opening = openPostgres({
    env: createRealEnv(),
    config: settings(newSchema(), { url: 'postgres://ron:hush@/postgres?host=/nowhere' }),
  });
  const error = await opening.catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 });
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hush');
});

test('a transaction is done as a whole or not at all', async () => {
  await using database = await openDatabase(newSchema());
  const held = async () =>
    (await database.query<{ held: number }>(statement('select held from name_counts where stripe = 0'), []))[0]!.held;
  const failing = database.transact(async (session) => {
    await session.query(statement('update name_counts set held = 7 where stripe = 0'), []);
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await held()).toBe(0);
  await database.transact(async (session) => {
    await session.query(statement('update name_counts set held = 7 where stripe = 0'), []);
  });
  expect(await held()).toBe(7);
});

test('transactions that wait for each other are all done: the server undoes one, which runs anew', async () => {
  await using database = await openDatabase(newSchema());
  const both = [0, 1];
  const arrived = both.map(() => Promise.withResolvers<void>());
  let runs = 0;
  const add = (stripe: number, other: number) =>
    database.transact(async (session) => {
      runs += 1;
      const update = statement('update name_counts set held = held + 1 where stripe = $1');
      await session.query(update, [stripe]);
      arrived[stripe]!.resolve();
      await arrived[other]!.promise;
      await session.query(update, [other]);
    });
  await Promise.all([add(0, 1), add(1, 0)]);
  expect(runs).toBeGreaterThan(2);
  const rows = await database.query(statement('select held from name_counts where stripe < 2'), []);
  expect(rows).toEqual([{ held: 2 }, { held: 2 }]);
});

/** Runs a task that holds every connection until it is told. */
async function occupied(database: Postgres, connections: number, task: () => Promise<void>): Promise<void> {
  const done = Promise.withResolvers<void>();
  const begun = Array.from({ length: connections }, () => Promise.withResolvers<void>());
  const holders = begun.map(({ resolve }) =>
    database.transact(async () => {
      resolve();
      await done.promise;
    }),
  );
  await Promise.all(begun.map(({ promise }) => promise));
  try {
    await task();
  } finally {
    done.resolve();
    await Promise.all(holders);
  }
}

test('a call that gets no connection in time is refused, and so is at once one that too many wait before', async () => {
  await using database = await openDatabase(newSchema(), {
    connections_max: 2,
    waiting_max: 3,
    connect_timeout_ms: 2_000,
  });
  await occupied(database, 2, async () => {
    const asked = Array.from({ length: 4 }, () => database.query(statement('select 1'), []));
    const reasons = (await Promise.allSettled(asked)).map((each) =>
      each.status === 'rejected' ? each.reason : undefined,
    );
    for (const reason of reasons) expect(reason).toMatchObject({ code: 'unavailable' });
    expect(reasons.map(({ message }) => message).filter((text) => /too many/.test(text))).toHaveLength(1);
  });
  expect(await database.query(statement('select 1 as one'), [])).toEqual([{ one: 1 }]);
});

test('a statement past its time is `unavailable`, and the next one is not', async () => {
  await using database = await openDatabase(newSchema(), { connections_max: 1, statement_timeout_ms: 300 });
  await expect(database.query(statement('select pg_sleep(60)'), [])).rejects.toMatchObject({ code: 'unavailable' });
  expect(await database.query(statement('select 1 as one'), [])).toEqual([{ one: 1 }]);
});

test('a number that would lose digits is an error, and what is the caller’s fault is passed on', async () => {
  await using database = await openDatabase(newSchema());
  await expect(database.query(statement('select 9007199254740993::bigint as n'), [])).rejects.toThrow(RangeError);
  await expect(database.query(statement('select nothing'), [])).rejects.toMatchObject({ code: '42703' });
  expect(await database.query(statement('select 9007199254740991::bigint as n'), [])).toEqual([
    { n: 9007199254740991 },
  ]);
});

test('hints reach others and not their own process; too many become "anything"', async () => {
  const schema = newSchema();
  await using one = await openDatabase(schema);
  await using other = await openDatabase(schema);
  const own: unknown[] = [];
  one.subscribe('names', (keys) => own.push(keys));
  const heard = (keys: readonly string[] | undefined) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const subscription = other.subscribe('names', (found) => {
      if (JSON.stringify(found) === JSON.stringify(keys)) resolve();
    });
    return promise.finally(() => subscription[Symbol.dispose]());
  };
  let next = heard(['a', 'é']);
  one.publish('names', 'a');
  one.publish('names', 'é');
  await next;
  next = heard(undefined);
  for (let count = 0; count < 2_000; count += 1) one.publish('names', `a name of some length ${count}`);
  await next;
  expect(own).toEqual([]);
});
