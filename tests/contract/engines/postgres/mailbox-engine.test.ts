import { sleep } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import type { SimEnv } from '@ron/kernel/sim';
import type { Postgres } from '@ron/postgres';
import { openPostgresMailboxes } from '@ron/svc-mailbox/service';
import { afterAll } from 'vitest';
import { describeMailboxEngine } from '../mailbox-engine-suite.ts';
import { newSchema, openDatabase } from './databases.ts';

const { clock } = createRealEnv();
const database = await openDatabase(newSchema());
afterAll(() => database[Symbol.asyncDispose]());

/** Calls of the database that were begun and are not over. */
let underWay = 0;
let disks = new WeakSet<object>();

async function counted<T>(call: Promise<T>): Promise<T> {
  underWay += 1;
  return call.finally(() => {
    underWay -= 1;
  });
}

const watched: Postgres = {
  get failure() {
    return database.failure;
  },
  query: (...given) => counted(database.query(...given)),
  transact: (...given) => counted(database.transact(...given)),
  publish: (...given) => database.publish(...given),
  subscribe: (...given) => database.subscribe(...given),
  [Symbol.asyncDispose]: async () => undefined,
};

/** A machine that was not seen before starts with no messages, as with an empty disk. */
async function emptyForNew({ machineDisk }: SimEnv): Promise<void> {
  if (disks.has(machineDisk)) return;
  disks = new WeakSet([machineDisk]);
  for (const text of [
    'delete from mailbox_messages',
    'delete from mailbox_boxes',
    'delete from mailbox_keys',
    'delete from mailbox_usage',
    'update mailbox_partitions set boxes = 0, keys = 0',
    `select setval('mailbox_clock', 0)`,
  ]) {
    await database.query({ name: text, text }, []);
  }
}

describeMailboxEngine('postgres', {
  durable: true,
  outside: {
    idle: async () => {
      // One call leads to the next, a few turns later.
      for (let quiet = 0; quiet < 4; quiet = underWay === 0 ? quiet + 1 : 0) await sleep(clock, 0);
    },
  },
  open: async (env, settings) => {
    await emptyForNew(env);
    return openPostgresMailboxes({ env, database: watched, config: settings, bytesMax: settings().bytes_max });
  },
});
