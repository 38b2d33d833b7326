import { createRealEnv } from '@ron/kernel/real';
import type { Postgres } from '@ron/postgres';
import { type MailboxEngine, openPostgresMailboxes } from '@ron/svc-mailbox/service';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PostgresServer } from '../../../support/postgres-server.ts';
import { defaultSettings, messageId, type SendOptions, sendCommand } from '../mailbox-calls.ts';
import type { LeasedMessage } from '../mailbox-model.ts';
import { newSchema, openDatabase } from './databases.ts';

/** A process of svc-mailbox, on the real clock. */
interface Process {
  readonly database: Postgres;
  readonly engine: MailboxEngine;
}

const settings = { ...defaultSettings, tenant_messages_max: 100_000, messages_max: 100_000, tenant_boxes_max: 1_000 };
const key = { tenant: 't', box: 'b' };
let open: Process[] = [];

async function start(schema: string, url?: string): Promise<Process> {
  const database = await openDatabase(schema, url === undefined ? {} : { url });
  const env = createRealEnv();
  const engine = await openPostgresMailboxes({ env, database, config: () => settings, bytesMax: 1_000_000_000 });
  const process = { database, engine };
  open.push(process);
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
  for (const { engine, database } of open) {
    await engine[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  }
  open = [];
});

let nonce = 1;
const receive = ({ engine }: Process, max = 10, visibilityMs = 600_000): Promise<readonly LeasedMessage[]> => {
  nonce += 1_000;
  return engine.receive({ op: 'receive', ...key, max, bytesMax: 1e9, visibilityMs, nonce });
};
const send = ({ engine }: Process, count: number, more: SendOptions = {}) => engine.execute(sendCommand(count, more));
const ack = ({ engine }: Process, leases: readonly LeasedMessage[]) =>
  engine.execute({ op: 'ack', ...key, leases: [...leases] });

test('what two processes send is leased by one of them each, once, and an acknowledged message never comes again', async () => {
  const total = 200;
  const processes = [one, other];
  await Promise.all(Array.from({ length: total }, (_, index) => send(processes[index % 2]!, index + 1)));
  const taken: string[] = [];
  const workers = Array.from({ length: 8 }, async (_, index) => {
    const process = processes[index % 2]!;
    for (;;) {
      const leases = await receive(process, 7);
      if (leases.length === 0) return;
      taken.push(...leases.map(({ id }) => id));
      // By the other process: nothing but the database knows of a lease.
      expect(await ack(processes[(index + 1) % 2]!, leases)).toEqual(leases.map(() => true));
    }
  });
  await Promise.all(workers);
  expect(taken.toSorted()).toEqual(Array.from({ length: total }, (_, index) => messageId(index + 1)).toSorted());
  expect(await one.engine.stats(key)).toMatchObject({ ready: 0, inFlight: 0, sent: total, acked: total });
});

test('the same key in both processes at once: one message, and both get its id', async () => {
  for (let round = 0; round < 20; round += 1) {
    const outcomes = await Promise.all([
      send(one, 2 * round + 1, { key: `k${round}` }),
      send(other, 2 * round + 2, { key: `k${round}` }),
    ]);
    const taken = outcomes.flatMap((outcome) => (outcome.ok ? [outcome] : []));
    expect(taken.map(({ duplicate }) => duplicate).sort()).toEqual([false, true]);
    expect(new Set(taken.map(({ id }) => id)).size).toBe(1);
  }
  expect(await other.engine.stats(key)).toMatchObject({ ready: 20, sent: 20, duplicates: 20 });
});

test('a holder whose lease ran out is fenced in every process', async () => {
  await send(one, 1);
  const [stale] = await receive(one, 1, 250);
  const fresh: LeasedMessage[] = [];
  const take = async () => fresh.push(...(await receive(other, 1)));
  await expect.poll(take, { timeout: 60_000 }).toBe(1);
  expect(fresh[0]!.fence).toBe(stale!.fence + 1);
  for (const process of [one, other]) expect(await ack(process, [stale!])).toEqual([false]);
  expect(await ack(one, fresh)).toEqual([true]);
});

test('of the ends of one lease in both processes at once, one counts', async () => {
  for (let count = 1; count <= 20; count += 1) {
    await send(one, count);
    const leases = await receive(one, 1);
    const good = await Promise.all([ack(one, leases), ack(other, leases)]);
    expect(good.flat().toSorted()).toEqual([false, true]);
  }
});

test('a group has one message in flight in all processes together, in the order of sending', async () => {
  for (let count = 1; count <= 30; count += 1) await send(count % 2 === 0 ? one : other, count, { group: 'g' });
  const seen: string[] = [];
  while (seen.length < 30) {
    const leases = (await Promise.all([receive(one), receive(other), receive(one)])).flat();
    expect(leases).toHaveLength(1);
    seen.push(leases[0]!.id);
    await ack(other, leases);
  }
  expect(seen).toEqual(Array.from({ length: 30 }, (_, index) => messageId(index + 1)));
});

test('who waits in one process is woken by what is sent in the other', async () => {
  const woken = Promise.withResolvers<void>();
  const peeked = Promise.withResolvers<void>();
  other.engine.watch(key, woken.resolve);
  other.engine.watch(key, peeked.resolve, { peek: true });
  await send(one, 1);
  await Promise.all([woken.promise, peeked.promise]);
  expect(await receive(other)).toHaveLength(1);
});

test('a server that dies under sends and leases: nothing acknowledged is lost, and nothing settled comes again', async () => {
  await using server = await PostgresServer.create();
  const process = await start(newSchema(), server.url());
  const sent = new Set<string>();
  const acked = new Set<string>();
  /** Perhaps acknowledged: some answers do not come. */
  const tried = new Set<string>();
  const going = Promise.withResolvers<void>();
  const worker = async (name: number) => {
    for (let count = 0; ; count += 1) {
      const id = messageId(name * 10_000 + count);
      try {
        await send(process, name * 10_000 + count);
        sent.add(id);
        if (count === 10) going.resolve();
        if (count % 3 !== 0) continue;
        for (const lease of await receive(process, 1)) {
          tried.add(lease.id);
          if ((await ack(process, [lease]))[0] === true) acked.add(lease.id);
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'unavailable' });
        return;
      }
    }
  };
  const workers = Promise.all([1, 2, 3, 4].map(worker));
  await going.promise;
  await server.stop('crash');
  await workers;
  await expect.poll(() => process.engine.failure, { timeout: 60_000 }).toMatch(/^the database cannot be used/);
  const again = Promise.withResolvers<void>();
  process.database.subscribe('test', () => again.resolve());
  await server.start();
  await again.promise;
  expect(process.engine.failure).toBeUndefined();
  const { items } = await process.engine.peek(key, { order: 0, id: '' }, 100_000);
  const there = new Set(items.map(({ id }) => id));
  for (const id of sent) expect(there.has(id) || tried.has(id), id).toBe(true);
  for (const id of acked) expect(there.has(id), id).toBe(false);
  open = open.filter((each) => each !== process);
  await process.engine[Symbol.asyncDispose]();
  await process.database[Symbol.asyncDispose]();
});
