import { createInlineWork } from '@ron/kernel/real';
import { addressFromHash } from '@ron/naming';
import { dhtLimits, type ProviderRecord } from '@ron/proto/dht';
import { RonError } from '@ron/proto/errors';
import { toHex } from '@ron/transport';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { keyOfAddress } from './key.ts';
import { signRecord } from './record.ts';
import { findProviders } from './search.ts';
import { createTestSigner, SmallNetwork } from './testing/small-network.ts';

const { blake3 } = createInlineWork();
const keyOf = (text: string) => keyOfAddress(addressFromHash(blake3(Buffer.from(text))), blake3);

test('a key is not the hash of the object', () => {
  const hash = blake3(Buffer.from('an object'));
  expect(keyOf('an object')).not.toBe(toHex(hash));
  expect(keyOf('an object')).toMatch(/^[0-9a-f]{64}$/);
});

test('who announces is found from anywhere, and by nobody after it expired', async () => {
  const network = new SmallNetwork();
  const nodes = await network.addJoined(24);
  const [provider, searcher] = [nodes[3]!, nodes[20]!];
  provider.publisher.add(keyOf('a'));
  expect(await network.run(provider.publisher.publishNew())).toMatchObject({ keys: 1, regions: 1, placed: 1 });
  const found = await network.run(findProviders(searcher.node, keyOf('a'), 5));
  expect(found.records.map(({ provider: { id } }) => id)).toEqual([provider.contact.id]);
  expect((await network.run(findProviders(searcher.node, keyOf('b'), 5))).records).toEqual([]);
  await network.env.scheduler.runFor(dhtLimits.recordTtlMsMax);
  expect((await network.run(findProviders(searcher.node, keyOf('a'), 5))).records).toEqual([]);
});

test('the sweep keeps records alive, until they are withdrawn', async () => {
  const network = new SmallNetwork();
  const nodes = await network.addJoined(12);
  const provider = nodes[5]!;
  for (const text of ['a', 'b', 'c', 'd']) provider.publisher.add(keyOf(text));
  await network.run(provider.publisher.publishNew());
  await network.run(provider.upkeep.start());
  provider.publisher.remove(keyOf('d'));
  await network.env.scheduler.runFor(30 * 3_600_000);
  for (const [text, count] of Object.entries({ a: 1, b: 1, c: 1, d: 0 })) {
    const { records } = await network.run(findProviders(nodes[9]!.node, keyOf(text), 5));
    expect(records.length, text).toBe(count);
  }
  await network.run(provider.upkeep[Symbol.asyncDispose]());
});

test('what nobody took is tried again soon', async () => {
  const network = new SmallNetwork();
  const nodes = await network.addJoined(2);
  const serving = nodes.map((each) => each.serve);
  for (const [index, each] of nodes.entries()) {
    const serve = serving[index]!;
    each.serve = (operation, ...rest) => (operation === 'provide' ? { stored: 0 } : serve(operation, ...rest));
  }
  const provider = network.add({ seeds: [nodes[0]!.contact] });
  await network.run(provider.upkeep.join());
  provider.publisher.add(keyOf('a'));
  // The provider keeps its own word itself; without that nobody has it.
  provider.node.store.put = () => 'full';
  expect(await network.run(provider.publisher.publishNew())).toMatchObject({ placed: 0, missed: [keyOf('a')] });
  for (const [index, each] of nodes.entries()) each.serve = serving[index]!;
  expect(await network.run(provider.publisher.publishNew())).toMatchObject({ keys: 1, placed: 1 });
});

test('a record is believed only when its provider passes the challenge', async () => {
  const network = new SmallNetwork();
  const nodes = await network.addJoined(10);
  for (const provider of nodes.slice(0, 3)) await network.run(provider.publisher.publish([keyOf('a')]));
  const honest = nodes[1]!.contact.id;
  const silent = nodes[2]!.contact.id;
  const mayTrust = async ({ provider: { id } }: ProviderRecord) => {
    if (id === silent) throw new RonError('unavailable', 'nobody answers the challenge');
    return id === honest;
  };
  const careful = network.add();
  await network.run(careful.upkeep.join());
  const { records } = await network.run(findProviders(careful.node, keyOf('a'), 5, mayTrust));
  expect(records.map(({ provider: { id } }) => id)).toEqual([honest]);
});

test('a node is ready when a seed answered and its neighbourhood is known', async () => {
  const network = new SmallNetwork();
  const first = network.add({ seeds: [] });
  expect(first.upkeep.unready).toBeUndefined();
  const gone = createTestSigner();
  const lost = network.add({ seeds: [{ id: gone.id, address: '10.9.9.9:1' }] });
  await network.run(lost.upkeep.join());
  expect(lost.upkeep.unready).toBe('none of 1 seeds has answered');
  const second = network.add({ seeds: [first.contact] });
  expect(second.upkeep.unready).toBeDefined();
  await network.run(second.upkeep.join());
  expect(second.upkeep.unready).toBeUndefined();
});

test('nobody stores for somebody else, forges, or stores what will outlive its time', async () => {
  const network = new SmallNetwork();
  const [keeper, sender] = await network.addJoined(2);
  const nowMs = network.env.clock.wallMs();
  const ttlMs = dhtLimits.recordTtlMsMax;
  const fields = { key: keyOf('a'), provider: sender!.contact, nowMs, ttlMs };
  const good = await signRecord(sender!.signer, fields);
  const provide = (record: unknown, from = sender!.contact.id) => keeper!.serve('provide', { records: [record] }, from);
  expect(provide(good, keeper!.contact.id)).toEqual({ stored: 0, refused: 'foreign' });
  expect(provide({ ...good, sequence: 7 })).toEqual({ stored: 0, refused: 'unsigned' });
  const late = await signRecord(sender!.signer, { ...fields, ttlMs: ttlMs + 1 });
  expect(provide(late)).toEqual({ stored: 0, refused: 'far_future' });
  expect(provide(good)).toEqual({ stored: 1 });
  expect(keeper!.node.store.size).toBe(1);
});

test('connecting counts where a node has yet to be dialled, and not as its distance', async () => {
  const network = new SmallNetwork();
  const [other] = await network.addJoined(1);
  let linked = false;
  const { node } = network.add({ ports: { isLinked: () => linked } });
  await network.run(node.alive(other!.contact));
  const cold = node.expectedMs(other!.contact);
  linked = true;
  expect(node.expectedMs(other!.contact)).toBe(cold / 4);
  expect(cold).toBeCloseTo(10);
});

test('a peer that asks too much is told when to come again', async () => {
  const network = new SmallNetwork();
  const [keeper] = await network.addJoined(1);
  const ask = () => keeper!.serve('ping', {}, 'aa'.repeat(32));
  for (let index = 0; index < 500; index++) ask();
  expect(ask).toThrow(expect.objectContaining({ code: 'quota_exhausted', retryAfterMs: 20 }));
  expect(() => keeper!.serve('ping', {}, 'bb'.repeat(32))).not.toThrow();
  expect(() => keeper!.serve('locate', {}, 'bb'.repeat(32))).toThrow(expect.objectContaining({ code: 'bad_request' }));
});

test('whatever strangers ask, a node answers or refuses, and stays within its bounds', async () => {
  const network = new SmallNetwork();
  const [keeper] = await network.addJoined(1);
  const hex = fc.nat().map((value) => toHex(blake3(Buffer.from(String(value)))));
  // Any code units, halves of pairs too.
  const text = fc.uint16Array({ minLength: 3, maxLength: 40 }).map((units) => String.fromCharCode(...units));
  const contact = fc.record({ id: hex, address: text });
  const asker = fc.option(contact, { nil: undefined });
  const record = fc.record({
    key: hex,
    provider: contact,
    public_key: fc.constant('A'.repeat(43)),
    issued_at: fc.maxSafeNat(),
    expires_at: fc.maxSafeNat(),
    sequence: fc.maxSafeNat(),
    signature: fc.constant('A'.repeat(86)),
  });
  const ask = fc.oneof(
    fc.tuple(fc.constant('ping'), fc.record({ asker })),
    fc.tuple(fc.constant('find_node'), fc.record({ target: hex, asker })),
    fc.tuple(fc.constant('find_providers'), fc.record({ key: hex, toward: hex, asker })),
    fc.tuple(fc.constant('provide'), fc.record({ records: fc.array(record, { minLength: 1, maxLength: 4 }), asker })),
  );
  fc.assert(
    fc.property(ask, hex, ([operation, input], from) => {
      const own = (input as { asker?: { id: string } }).asker?.id ?? from;
      expect(keeper!.serve(operation, input, own)).toBeDefined();
      expect(keeper!.node.store.size).toBe(0);
    }),
  );
  expect(keeper!.node.table.size).toBe(0);
});
