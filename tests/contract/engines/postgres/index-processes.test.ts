import { generateKeyPairSync, sign } from 'node:crypto';
import type { Postgres } from '@ron/postgres';
import type { Call, Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import { type Change, createPostgresNames, IndexConfig, index } from '@ron/svc-index/service';
import { Value } from 'typebox/value';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newSchema, openDatabase } from './databases.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const signer = { owner: 'node/names/ed25519/key#1', sign: (bytes: Uint8Array) => sign(null, bytes, privateKey) };
const address = (seed: number) => `b3:${seed.toString(16).padStart(64, '0')}`;
const call = { context: { principal: {} } } as Call;

/** A process of svc-index, with a clock that only the test moves. */
interface Process {
  readonly database: Postgres;
  readonly handlers: Handlers<typeof indexContract>;
  readonly time: { nowMs: number };
}

let processes: Process[] = [];

async function start(schema: string): Promise<Process> {
  const database = await openDatabase(schema);
  const time = { nowMs: 1_764_000_000_000 };
  const now = () => time.nowMs;
  const clock = { wallMs: now, monotonicMs: now, after: () => ({ cancel: () => undefined }) };
  const config = Value.Default(IndexConfig, {}) as IndexConfig;
  const running = await index.start({
    config: { current: () => config, onChange: () => ({ [Symbol.dispose]: () => undefined }) },
    engines: { names: createPostgresNames(database), signer },
    env: { clock },
  } as never);
  const process = { database, handlers: running.handlers as Handlers<typeof indexContract>, time };
  processes.push(process);
  return process;
}

let one: Process;
let other: Process;
beforeEach(async () => {
  const schema = newSchema();
  one = await start(schema);
  other = await start(schema);
});
afterEach(async () => {
  for (const { database } of processes) await database[Symbol.asyncDispose]();
  processes = [];
});

function change(version: number, seed: number, more: Partial<Change> = {}): Change {
  const record = { name: 'a', address: address(seed), version, prev: null, updated_at: 1, owner: 'o', signature: 's' };
  const head = { record, removed: false };
  return { expectedVersion: version - 1, expectedRemoved: false, head, versionsMax: 100, namesMax: 1_000, ...more };
}

test('of changes of two processes with the same expectation exactly one is done, in every round', async () => {
  const engines = [one, other].map(({ database }) => createPostgresNames(database));
  for (let version = 1; version <= 40; version += 1) {
    const rivals = Array.from({ length: 8 }, (_, seed) => engines[seed % 2]!.change(change(version, seed)));
    const outcomes = await Promise.all(rivals);
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1);
    expect((await engines[1]!.head('a'))?.record.address).toBe(address(outcomes.indexOf('done')));
  }
  expect(await engines[0]!.history('a', 1_000, 1_000)).toHaveLength(40);
});

test('a set and a removal that both expect what is there: one of them is stale', async () => {
  const engines = [one, other].map(({ database }) => createPostgresNames(database));
  for (let round = 0; round < 20; round += 1) {
    const before = await engines[0]!.head('a');
    const version = before?.record.version ?? 0;
    const expectedRemoved = before?.removed ?? false;
    expect(await engines[0]!.change(change(version + 1, 1, { expectedRemoved }))).toBe('done');
    const removal = change(version + 1, 1, { expectedVersion: version + 1 });
    const outcomes = await Promise.all([
      engines[0]!.change(change(version + 2, 2)),
      engines[1]!.change({ ...removal, head: { ...removal.head, removed: true } }),
    ]);
    expect([...outcomes].sort()).toEqual(['done', 'stale']);
  }
});

test('sets without an expectation all count, whoever makes them', async () => {
  await Promise.all(
    [one, other].flatMap(({ handlers }, process) =>
      Array.from({ length: 5 }, async (_, seed) => handlers.set({ name: 'a', address: address(seed + process) }, call)),
    ),
  );
  const { records } = await one.handlers.history({ name: 'a' }, call);
  expect(records.map(({ version }) => version)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

test('of sets that expect the same version one wins, and the others are told the version that is there', async () => {
  await one.handlers.set({ name: 'a', address: address(1) }, call);
  const rivals = Array.from({ length: 6 }, async (_, seed) => {
    const { handlers } = seed % 2 === 0 ? one : other;
    return handlers.set({ name: 'a', address: address(seed), if_version: 1 }, call);
  });
  const settled = await Promise.allSettled(rivals);
  const refused = settled.filter((each) => each.status === 'rejected').map(({ reason }) => reason);
  expect(refused).toHaveLength(5);
  for (const reason of refused) expect(reason).toMatchObject({ code: 'conflict', details: { version: 2 } });
});

/** Resolves when the process has heard that the name changed. */
function hearing({ database }: Process, name: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  database.subscribe('names', (names) => {
    if (names?.includes(name)) resolve();
  });
  return promise;
}

test('a change in one process is seen in the other as soon as it hears of it, though time stands still', async () => {
  const first = hearing(other, 'a');
  await one.handlers.set({ name: 'a', address: address(1) }, call);
  await first;
  expect(await other.handlers.resolve({ name: 'a' }, call)).toMatchObject({ version: 1, source: 'disk' });
  expect(await other.handlers.resolve({ name: 'a' }, call)).toMatchObject({ version: 1, source: 'memory' });
  await expect(async () => other.handlers.resolve({ name: 'b' }, call)).rejects.toMatchObject({ code: 'not_found' });
  const heard = Promise.all([hearing(other, 'a'), hearing(other, 'b')]);
  await one.handlers.set({ name: 'a', address: address(2) }, call);
  await one.handlers.set({ name: 'b', address: address(2) }, call);
  await heard;
  expect(await other.handlers.resolve({ name: 'a' }, call)).toMatchObject({ version: 2, source: 'disk' });
  expect(await other.handlers.resolve({ name: 'b' }, call)).toMatchObject({ version: 1 });
});

test('a process that hears nothing answers what it knows for a second and no longer, and `fresh` asks at once', async () => {
  const heard = hearing(other, 'a');
  await one.handlers.set({ name: 'a', address: address(1) }, call);
  await heard;
  await other.handlers.resolve({ name: 'a' }, call);
  // Behind the back of everybody who listens.
  await one.database.query({ name: 'test-set', text: `update name_versions set address = $1` }, [address(9)]);
  other.time.nowMs += 999;
  expect(await other.handlers.resolve({ name: 'a' }, call)).toMatchObject({ address: address(1), freshness_ms: 999 });
  other.time.nowMs += 1;
  expect(await other.handlers.resolve({ name: 'a' }, call)).toMatchObject({ address: address(9), freshness_ms: 0 });
  await one.database.query({ name: 'test-set', text: `update name_versions set address = $1` }, [address(8)]);
  expect(await other.handlers.resolve({ name: 'a', fresh: true }, call)).toMatchObject({ address: address(8) });
});
