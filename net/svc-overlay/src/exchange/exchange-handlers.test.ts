import { groupBytes } from '@ron/b3';
import { sleep } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import { exchangeOperations, type GroupRun, groupPastEnd, wantGroupsMax } from '@ron/proto/exchange';
import type { ByteStream } from '@ron/proto/stream';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { describe, expect, test } from 'vitest';
import { createExchangeHandlers } from './exchange-handlers.ts';
import { fetchObject } from './fetch/fetch-object.ts';
import type { ExchangePeers } from './fetch/fetch-ports.ts';
import { GroupSet } from './group-set.ts';
import type { Placements } from './placements.ts';
import { checkPossession } from './possession.ts';
import type { MaySend, ServeLimits } from './serve-ports.ts';
import { MemoryBlobs } from './testing/blobs.ts';
import { testObject } from './testing/fake-peers.ts';

const me = '0'.repeat(64);
const peer = '1'.repeat(64);
const other = '2'.repeat(64);
const whole = testObject(5 * groupBytes() + 7, 1);
const some = testObject(9 * groupBytes(), 2);
const secret = testObject(100, 3);
const someGroups = new GroupSet(9);
for (const group of [0, 1, 5, 8]) someGroups.add(group);

function serving(limits: Partial<ServeLimits> = {}, maySend: MaySend = (address) => address !== secret.address) {
  const env = createSimEnv({ seed: 1 });
  const blobs = new MemoryBlobs([whole, some, secret], new Map([[some.address, someGroups]]));
  // Placements have tests of their own.
  const placements = {} as Placements;
  const handlers = createExchangeHandlers({
    self: me,
    clock: env.clock,
    blobs,
    maySend,
    placements,
    limits: () => limits,
  });
  return { env, blobs, handlers };
}

async function bytesOf(body: ByteStream): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}

const one = (first: number, count = 1): GroupRun[] => [{ first, count }];

describe('have', () => {
  test('whole, partial with its bitmap, absent and forbidden alike', async () => {
    const { handlers } = serving();
    const absent = testObject(5, 9).address;
    const addresses = [whole.address, absent, some.address, secret.address];
    const answer = await handlers.have({ addresses }, peer);
    expect(answer.held).toEqual([
      { address: whole.address, size: whole.bytes.length, complete: true },
      {
        address: some.address,
        size: some.bytes.length,
        complete: false,
        groups: Buffer.of(0b100011, 1).toString('base64url'),
      },
    ]);
    expect(Value.Check(exchangeOperations.have.output, answer)).toBe(true);
    const later = await handlers.have({ addresses: [some.address], window_first: 5 }, peer);
    expect(later.held[0]!.groups).toBe(Buffer.of(0b1001).toString('base64url'));
    const past = await handlers.have({ addresses: [some.address], window_first: 9 }, peer);
    expect(past.held[0]).toEqual({ address: some.address, size: some.bytes.length, complete: false });
  });

  test('limits: 1,000 addresses pass and 1,001 do not; bitmaps are for 16', async () => {
    const { handlers } = serving({ questionsPerSecondPerPeer: 2_000 });
    const addresses = (count: number) => Array.from({ length: count }, () => some.address);
    expect(Value.Check(exchangeOperations.have.input, { addresses: addresses(1_000) })).toBe(true);
    expect(Value.Check(exchangeOperations.have.input, { addresses: addresses(1_001) })).toBe(false);
    const { held } = await handlers.have({ addresses: addresses(1_000) }, peer);
    expect(held.filter(({ groups }) => groups !== undefined).length).toBe(16);
  });

  test('too many questions are refused with the wait, and other nodes are not', async () => {
    const { handlers, env } = serving({ questionsPerSecondPerPeer: 100 });
    const addresses = Array.from({ length: 150 }, () => whole.address);
    await handlers.have({ addresses }, peer);
    const refused = await handlers.have({ addresses: [whole.address] }, peer).catch((error) => error);
    expect(refused).toMatchObject({ code: 'quota_exhausted', retryAfterMs: 500 });
    await handlers.have({ addresses: [whole.address] }, other);
    await env.scheduler.runFor(500);
    await handlers.have({ addresses: [whole.address] }, peer);
  });
});

describe('want', () => {
  test('what is not here, not all here, or not for this node is not found', async () => {
    const { handlers } = serving();
    const asked = (address: string, ranges: GroupRun[]) => handlers.want({ address, ranges }, peer);
    await expect(asked(secret.address, one(0))).rejects.toMatchObject({ code: 'not_found' });
    await expect(asked(testObject(1, 77).address, one(0))).rejects.toMatchObject({ code: 'not_found' });
    await expect(asked(some.address, one(1, 2))).rejects.toMatchObject({ code: 'not_found' });
    await bytesOf((await asked(some.address, [...one(0, 2), ...one(groupPastEnd)])).body);
    const much = [...one(0, wantGroupsMax), ...one(0)];
    await expect(asked(whole.address, much)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('slots are given back by the end, by leaving, and by a refusal', async () => {
    const { handlers, blobs } = serving({ streamsPerPeerMax: 2 });
    const ask = (address = whole.address) => handlers.want({ address, ranges: one(0, 6) }, peer);
    for (let round = 0; round < 10; round++) {
      await bytesOf((await ask()).body);
      for await (const _piece of (await ask()).body) break;
      await ask(secret.address).catch((error) => expect(error).toBeInstanceOf(RonError));
    }
    const open = [await ask(), await ask()];
    await expect(ask()).rejects.toMatchObject({ code: 'quota_exhausted' });
    await handlers.want({ address: whole.address, ranges: one(0) }, other);
    for (const { body } of open) await bytesOf(body);
    await bytesOf((await ask()).body);
    expect(blobs.open).toBe(0);
  });

  test('all nodes together have a ceiling, too', async () => {
    const { handlers } = serving({ streamsMax: 1 });
    await handlers.want({ address: whole.address, ranges: one(0) }, peer);
    const refused = handlers.want({ address: whole.address, ranges: one(0) }, other);
    await expect(refused).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 250 });
  });

  test('a reader that stops is cut, also one that never began', async () => {
    const { handlers, env, blobs } = serving({ streamsPerPeerMax: 1 });
    const never = await handlers.want({ address: whole.address, ranges: one(0, 6) }, peer);
    await env.scheduler.runFor(10_001);
    await expect(bytesOf(never.body)).rejects.toMatchObject({ code: 'request_timeout' });
    const stops = (await handlers.want({ address: whole.address, ranges: one(0, 6) }, peer)).body[
      Symbol.asyncIterator
    ]();
    await stops.next();
    await env.scheduler.runFor(10_001);
    await expect(stops.next()).rejects.toMatchObject({ code: 'request_timeout' });
    await env.scheduler.runFor(1);
    expect(blobs.open).toBe(0);
  });

  test('a reader that takes a piece now and then is cut when it is too slow on the whole', async () => {
    const { handlers, env, blobs } = serving({ graceMs: 20_000, progressBytesPerSecondMin: 100_000 });
    const { body } = await handlers.want({ address: whole.address, ranges: one(0, 6) }, peer);
    const dripping = (async () => {
      for await (const _piece of body) await sleep(env.clock, 9_000);
    })();
    await expect(env.scheduler.settle(dripping)).rejects.toMatchObject({ code: 'request_timeout' });
    expect(env.clock.monotonicMs()).toBe(27_000);
    expect(blobs.open).toBe(0);
  });

  test('a disk that hangs ends the stream', async () => {
    const { handlers, env, blobs } = serving();
    blobs.hangs = true;
    const { body } = await handlers.want({ address: whole.address, ranges: one(0) }, peer);
    await expect(env.scheduler.settle(bytesOf(body))).rejects.toMatchObject({ code: 'unavailable' });
    expect(env.clock.monotonicMs()).toBe(10_000);
  });

  test('bytes a second to a node are what the ceiling says, however many streams', async () => {
    const { handlers, env } = serving({ bytesPerSecondPerPeer: 100_000 });
    const streams = [0, 1, 2].map(async () => {
      const { body } = await handlers.want({ address: whole.address, ranges: one(0, 6) }, peer);
      return (await bytesOf(body)).length;
    });
    const sent = (await env.scheduler.settle(Promise.all(streams))).reduce((sum, bytes) => sum + bytes, 0);
    const expectedMs = (sent / 100_000) * 1_000;
    expect(env.clock.monotonicMs()).toBeGreaterThan(expectedMs * 0.7);
    expect(env.clock.monotonicMs()).toBeLessThan(expectedMs * 1.1);
  });

  test('nodes that come and go do not fill the memory, and do not push out those with open streams', async () => {
    const { handlers } = serving({ peersMax: 3, streamsPerPeerMax: 1 });
    const { body } = await handlers.want({ address: whole.address, ranges: one(0, 6) }, peer);
    for (let id = 0; id < 20; id++) await handlers.have({ addresses: [whole.address] }, `${id}`.padStart(64, 'e'));
    const second = handlers.want({ address: whole.address, ranges: one(0) }, peer);
    await expect(second).rejects.toMatchObject({ code: 'quota_exhausted' });
    await bytesOf(body);
  });
});

describe('challenge', () => {
  test('is answered for a group that is here, bound to this node, and the slot is free again', async () => {
    const { handlers, blobs } = serving({ streamsPerPeerMax: 1 });
    const nonce = 'ab'.repeat(32);
    for (const group of [0, 5]) {
      const answer = await handlers.challenge({ address: some.address, group, nonce }, peer);
      expect(Value.Check(exchangeOperations.challenge.output, answer)).toBe(true);
      const question = { address: some.address, size: some.bytes.length, node: me, group, nonce };
      expect(checkPossession(question, answer)).toBe(true);
    }
    const missing = handlers.challenge({ address: some.address, group: 2, nonce }, peer);
    await expect(missing).rejects.toMatchObject({ code: 'not_found' });
    const beyond = handlers.challenge({ address: some.address, group: 9, nonce }, peer);
    await expect(beyond).rejects.toMatchObject({ code: 'bad_request' });
    expect(blobs.open).toBe(0);
  });
});

describe('both ends', () => {
  test('a transfer from these handlers, whole and partial ones, gives the object', async () => {
    const missing = new GroupSet(9);
    for (const group of [2, 3, 4, 6, 7, 8]) missing.add(group);
    const env = createSimEnv({ seed: 4 });
    const nodes = [someGroups, missing].map((groups) =>
      createExchangeHandlers({
        self: me,
        clock: env.clock,
        blobs: new MemoryBlobs([some], new Map([[some.address, groups]])),
        maySend: () => true,
        placements: {} as Placements,
      }),
    );
    const peers: ExchangePeers = {
      have: async (node, address, windowFirst) =>
        (await nodes[Number(node)]!.have({ addresses: [address], window_first: windowFirst }, peer)).held[0],
      want: async (node, address, ranges) =>
        (await nodes[Number(node)]!.want({ address, ranges: [...ranges] }, peer)).body,
    };
    const bytes = new Uint8Array(some.bytes.length);
    const sink = { write: (offset: number, piece: Uint8Array) => bytes.set(piece, offset) };
    const transfer = fetchObject({ address: some.address, clock: env.clock, peers, sink, sources: ['0', '1'] });
    await env.scheduler.settle(transfer.done);
    expect(Buffer.compare(bytes, some.bytes)).toBe(0);
  });
});

describe('inputs', () => {
  test('whatever the schemas accept is answered or refused by name', async () => {
    const { handlers } = serving({ streamsPerPeerMax: 1_000, streamsMax: 1_000, questionsPerSecondPerPeer: 1_000_000 });
    const index = fc.oneof(fc.nat({ max: 12 }), fc.integer({ min: 0, max: groupPastEnd }));
    const run = fc.record({ first: index, count: fc.integer({ min: 1, max: wantGroupsMax }) });
    const address = fc.constantFrom(whole.address, some.address, secret.address, testObject(1, 5).address);
    await fc.assert(
      fc.asyncProperty(address, fc.array(run, { minLength: 1, maxLength: 4 }), index, async (which, ranges, group) => {
        expect(Value.Check(exchangeOperations.want.input, { address: which, ranges })).toBe(true);
        const refusal = (error: unknown) => expect(error).toBeInstanceOf(RonError);
        await handlers.want({ address: which, ranges }, peer).then(({ body }) => bytesOf(body), refusal);
        await handlers.have({ addresses: [which], window_first: group }, peer);
        await handlers.challenge({ address: which, group, nonce: '00'.repeat(32) }, peer).catch(refusal);
      }),
      { numRuns: 60 },
    );
  });
});
