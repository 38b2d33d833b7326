import { createSimRandom } from '@ron/kernel/sim';
import type { Contact } from '@ron/proto/network';
import { toHex } from '@ron/transport';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareDistance, randomWithin, withFlippedBit } from './distance.ts';
import { RoutingTable } from './routing-table.ts';

const random = createSimRandom('routing table');
const self = toHex(random.bytes(32));
const rules = { k: 20, groupInBucketMax: 2, groupInTableMax: 10 };
let made = 0;
/** Each in a network of its own unless told otherwise. */
const contactIn = (bucket: number, address = `10.${made >> 8}.${made & 255}.1:9700`): Contact => {
  made++;
  return { id: randomWithin(withFlippedBit(self, bucket), bucket + 1, random), address };
};

function create() {
  let nowMs = 0;
  const dead = new Set<string>();
  const banned = new Set<string>();
  const pinged: string[] = [];
  const table: RoutingTable = new RoutingTable(rules, {
    self,
    clock: { monotonicMs: () => nowMs },
    async alive(peer) {
      await Promise.resolve();
      pinged.push(peer.id);
      if (dead.has(peer.id)) return false;
      table.answered(peer, 10);
      return true;
    },
    isBanned: (id) => banned.has(id),
  });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  const settle = async () => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  return { table, dead, banned, pinged, pass, settle };
}

test('the nearest are the nearest of all that are known', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(12), { maxLength: 120 }), fc.nat(30), fc.nat(20), (buckets, near, count) => {
      const { table } = create();
      for (const bucket of buckets) table.answered(contactIn(bucket), 10);
      const known = [...table.buckets()].flatMap(([, { entries }]) => entries.map(({ contact }) => contact));
      const target = randomWithin(self, near, random);
      const wanted = known.sort((a, b) => compareDistance(target, a.id, b.id)).slice(0, count);
      expect(table.closest(target, count)).toEqual(wanted);
      expect(table.size).toBe(known.length);
    }),
  );
});

test('nodes that live stay, however many come after them', async () => {
  const { table, pinged, pass, settle } = create();
  const first = Array.from({ length: 20 }, () => contactIn(0));
  for (const contact of first) table.answered(contact, 10);
  for (let round = 0; round < 5; round++) {
    pass(600_000);
    for (let index = 0; index < 100; index++) table.answered(contactIn(0), 10);
    await settle();
  }
  for (const { id } of first) expect(table.find(id)).toBeDefined();
  expect(pinged.length).toBeLessThanOrEqual(5);
});

test('a node that is dead gives way to the newest that waited', async () => {
  const { table, dead, pass, settle } = create();
  const first = Array.from({ length: 20 }, () => contactIn(0));
  for (const contact of first) table.answered(contact, 10);
  dead.add(first[0]!.id);
  pass(600_000);
  const newcomer = contactIn(0);
  table.answered(newcomer, 10);
  await settle();
  expect(table.find(first[0]!.id)).toBeUndefined();
  expect(table.find(newcomer.id)).toBeDefined();
});

test('who asked something is in the table only after it answered', async () => {
  const { table, dead, settle } = create();
  const [there, gone] = [contactIn(1), contactIn(1)];
  dead.add(gone.id);
  table.asked(there);
  table.asked(gone);
  expect(table.size).toBe(0);
  await settle();
  expect([there, gone].map(({ id }) => table.find(id) !== undefined)).toEqual([true, false]);
});

test('of one network two nodes are in a bucket and ten in the table', () => {
  const { table } = create();
  for (let bucket = 0; bucket < 8; bucket++) {
    for (let index = 0; index < 5; index++) table.answered(contactIn(bucket, `192.0.2.${index}:9700`), 10);
    expect(table.countAt(bucket)).toBeLessThanOrEqual(2);
  }
  expect(table.size).toBe(10);
});

test('silence is forgiven once or twice, and what is silent is not told to others', () => {
  const { table } = create();
  const contact = contactIn(0);
  table.answered(contact, 10);
  table.failed(contact.id);
  expect(table.find(contact.id)).toBeDefined();
  expect(table.closest(self, 20)).toEqual([]);
  table.answered(contact, 10);
  expect(table.closest(self, 20)).toEqual([contact]);
  for (let times = 0; times < 3; times++) table.failed(contact.id);
  expect(table.find(contact.id)).toBeUndefined();
});

test('who answers at another address is known by that one', () => {
  const { table } = create();
  const contact = contactIn(3);
  table.answered(contact, 10);
  table.answered({ ...contact, address: '192.0.2.9:9700' }, 10);
  expect(table.find(contact.id)?.contact.address).toBe('192.0.2.9:9700');
  expect(table.size).toBe(1);
});
