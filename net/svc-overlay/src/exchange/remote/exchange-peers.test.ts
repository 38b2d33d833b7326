import { sleep } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import type { Contact } from '@ron/proto/network';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createExchangeHandlers } from '../exchange-handlers.ts';
import { GroupSet } from '../group-set.ts';
import type { Placements } from '../placements.ts';
import { MemoryBlobs } from '../testing/blobs.ts';
import { testObject } from '../testing/fake-peers.ts';
import { type CallNode, contactOfName, createNodePeers, nameOf } from './exchange-peers.ts';
import { RemoteObjects } from './remote-objects.ts';

const object = testObject(5 * 65_536 + 9, 3);
const { address } = object;
const me = '0'.repeat(64);
const { signal } = new AbortController();
const contact = (digit: string): Contact => ({ id: digit.repeat(64), address: `10.0.0.${digit}:9700` });

type Answer = (operation: string, input: never) => unknown;

/** A node that serves the object, with what `instead` answers in its place. */
function nodes(instead: Readonly<Record<string, Answer>> = {}, groups?: GroupSet) {
  const env = createSimEnv({ seed: 2 });
  const asked: string[] = [];
  const call = (async (to: Contact, operation: string, input: never) => {
    asked.push(`${operation} ${to.id[0]}`);
    const serving = createExchangeHandlers({
      self: to.id,
      clock: env.clock,
      blobs: new MemoryBlobs([object], groups === undefined ? undefined : new Map([[address, groups]])),
      placements: {} as Placements,
      maySend: () => true,
    });
    const other = instead[`${operation} ${to.id[0]}`];
    if (other !== undefined) return await other(operation, input);
    const answer = await serving[operation as 'have'](input, me);
    return 'body' in answer ? answer : { output: answer, body: undefined };
  }) as unknown as CallNode;
  const trusted = contact('1').id;
  const peers = createNodePeers({ call, clock: env.clock, random: env.random, isTrusted: ({ id }) => id === trusted });
  return { env, asked, peers };
}

const refuse =
  (code: 'not_found' | 'unavailable', options = {}) =>
  () => {
    throw new RonError(code, 'no', options);
  };

test('a name is a contact and the other way round', () => {
  const six: Contact = { id: 'a'.repeat(64), address: '[2001:db8::1]:9700' };
  for (const each of [contact('1'), six]) expect(contactOfName(nameOf(each))).toEqual(each);
});

test('the word of a trusted node is taken; a stranger proves a group that it could not choose', async () => {
  const { peers, asked } = nodes();
  expect(await peers.have(nameOf(contact('1')), address, 0, signal)).toMatchObject({ complete: true });
  expect(await peers.have(nameOf(contact('2')), address, 0, signal)).toMatchObject({ complete: true });
  expect(asked).toEqual(['have 1', 'have 2', 'challenge 2']);
});

test('a stranger that claims what it has not is nobody’s source', async () => {
  const claim = () => ({ output: { held: [{ address, size: object.bytes.length, complete: true }] } });
  const huge = () => ({
    output: { held: [{ address, size: Number.MAX_SAFE_INTEGER, complete: false, groups: 'AQ' }] },
  });
  const proof = () => ({ output: { proof: 'AAAA', tag: '0'.repeat(64) } });
  for (const instead of [
    { 'have 2': claim, 'challenge 2': refuse('not_found') },
    { 'have 2': claim, 'challenge 2': proof },
    { 'have 2': huge },
  ]) {
    const { peers } = nodes(instead);
    expect(await peers.have(nameOf(contact('2')), address, 0, signal)).toBeUndefined();
  }
});

test('of a part, a group that the bitmap shows is challenged', async () => {
  const groups = new GroupSet(6);
  for (const group of [2, 5]) groups.add(group);
  const { peers } = nodes({}, groups);
  for (let round = 0; round < 20; round++) {
    expect(await peers.have(nameOf(contact('2')), address, 0, signal)).toMatchObject({ complete: false });
  }
});

test('who has all is not asked again for half a minute, unless it turns out otherwise', async () => {
  const gone = { now: false };
  const { env, peers, asked } = nodes({ 'outboard 1': () => (gone.now ? refuse('not_found')() : { body: undefined }) });
  const name = nameOf(contact('1'));
  await peers.have(name, address, 0, signal);
  await peers.have(name, address, 3, signal);
  expect(asked).toEqual(['have 1']);
  gone.now = true;
  await expect(peers.outboard(name, address, signal)).rejects.toMatchObject({ code: 'not_found' });
  await peers.have(name, address, 0, signal);
  await env.scheduler.runFor(30_000);
  await peers.have(name, address, 0, signal);
  expect(asked).toEqual(['have 1', 'outboard 1', 'have 1', 'have 1']);
});

test('a node that is left alone after a failure has failed again: nobody waits for it', async () => {
  const details = { reason: 'backoff' };
  const { peers } = nodes({ 'have 1': refuse('unavailable', { retryAfterMs: 30_000, details }) });
  const failed = await peers.have(nameOf(contact('1')), address, 0, signal).catch((error) => error);
  expect([failed.code, failed.retryAfterMs]).toEqual(['unavailable', undefined]);
});

function remote(near: readonly string[], found: readonly string[], instead: Readonly<Record<string, Answer>> = {}) {
  const { env, peers, asked } = nodes(instead);
  const blamed: string[] = [];
  const objects = new RemoteObjects({
    clock: env.clock,
    peers,
    near: () => near.map((digit) => nameOf(contact(digit))),
    find: async () => found.map((digit) => nameOf(contact(digit))),
    onLiar: (node) => blamed.push(node[0]!),
    onRun: () => undefined,
  });
  return { env, objects, asked, blamed, run: <T>(work: Promise<T>) => env.scheduler.settle(work) };
}

test('however many trusted nodes do not have it, who does is found', async () => {
  const absent = Object.fromEntries([...'3456789'].map((digit) => [`have ${digit}`, () => ({ output: { held: [] } })]));
  const { objects, run } = remote([...'3456789'], ['2'], absent);
  expect(await run(objects.end(address, signal))).toMatchObject({ size: object.bytes.length });
  expect(Buffer.compare(await run(objects.outboard(address, object.bytes.length, signal)), object.tree.outboard)).toBe(
    0,
  );
});

test('where nobody has it, that is said soon, and an outage is told apart', async () => {
  const absent = { 'have 1': () => ({ output: { held: [] } }) };
  const nobody = remote(['1'], [], absent);
  await expect(nobody.run(nobody.objects.end(address, signal))).rejects.toMatchObject({ code: 'not_found' });
  expect(nobody.env.clock.monotonicMs()).toBeLessThan(1_000);
  const down = remote(['1'], [], { 'have 1': refuse('unavailable') });
  await expect(down.run(down.objects.end(address, signal))).rejects.toMatchObject({ code: 'unavailable' });
  expect(down.env.clock.monotonicMs()).toBeLessThan(5_000);
});

test('a search may take as long as the DHT needs, and one that failed is no word that nobody has it', async () => {
  const { env, peers } = nodes();
  const objectsWith = (find: () => Promise<readonly string[]>) =>
    new RemoteObjects({
      ...{ clock: env.clock, peers, near: () => [], find },
      ...{ onLiar: () => undefined, onRun: () => undefined },
    });
  const slow = objectsWith(async () => {
    await sleep(env.clock, 12_000);
    return [nameOf(contact('2'))];
  });
  expect(await env.scheduler.settle(slow.end(address, signal))).toMatchObject({ size: object.bytes.length });
  const failing = objectsWith(async () => Promise.reject(new RonError('unavailable', 'the DHT has not started')));
  await expect(env.scheduler.settle(failing.end(address, signal))).rejects.toMatchObject({ code: 'unavailable' });
});

test('who says that it has an object and never has its outboard is not asked for ever', async () => {
  const { env, objects, run } = remote(['1'], [], { 'outboard 1': refuse('not_found') });
  const outcome = run(
    Promise.race([objects.outboard(address, object.bytes.length, signal), sleep(env.clock, 120_000)]),
  );
  await expect(outcome).rejects.toMatchObject({ code: 'deadline_exceeded' });
});

test('an outboard with any bit wrong is a lie of who sent it, and another one’s is taken', async () => {
  const { outboard } = object.tree;
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: outboard.length * 8 - 1 }), async (bit) => {
      const wrong = Buffer.from(outboard);
      wrong[bit >> 3]! ^= 1 << (bit & 7);
      const lie = () => ({ output: { address, size: object.bytes.length }, body: one(wrong) });
      const { objects, blamed, run } = remote(['1', '2'], [], { 'outboard 1': lie });
      expect(Buffer.compare(await run(objects.outboard(address, object.bytes.length, signal)), outboard)).toBe(0);
      expect(blamed).toEqual(['1']);
    }),
    { numRuns: 30 },
  );

  async function* one(bytes: Uint8Array) {
    yield bytes;
  }
});
