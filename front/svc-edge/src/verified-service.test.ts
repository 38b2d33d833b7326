import { verifySlice } from '@ron/b3';
import { createMetrics, type Env, type Log } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { type Address, hashFromAddress } from '@ron/naming';
import type { Call, Handlers } from '@ron/proto/contract';
import type { edgeContract } from '@ron/proto/edge';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import { describe, expect, test } from 'vitest';
import { gather, objectOf, testEnv } from './fixtures/objects.ts';
import { type EdgeEngines, edge } from './verified-service.ts';

const MiB = 1024 * 1024;
const small = objectOf(5_000, 2);
const large = objectOf(300_000, 3);
const call = { context: { signal: new AbortController().signal } } as unknown as Call;

function storageOver(objects: Map<string, Uint8Array>, asked: string[]) {
  const find = (operation: string, address: string) => {
    asked.push(operation);
    const bytes = objects.get(address);
    if (bytes === undefined) throw new RonError('not_found', 'no such object');
    return bytes;
  };
  return {
    async get({ address, start = 0, length }: { address: string; start?: number; length?: number }) {
      const bytes = find('get', address);
      if (start > 0 && start >= bytes.byteLength) throw new RonError('range_not_satisfiable', 'past the end');
      const part = bytes.slice(start, length === undefined ? undefined : start + length);
      return {
        output: { address, size: bytes.byteLength, start, length: part.byteLength },
        body: new ResidentBody(part),
      };
    },
    async stat({ address }: { address: string }) {
      const size = find('stat', address).byteLength;
      return { address, size, state: address === small.address ? 'quarantined' : 'live', created_at: 0 };
    },
    async outboard({ address }: { address: string }) {
      find('outboard', address);
      return { output: { address, outboard_size: large.outboard.byteLength }, body: new ResidentBody(large.outboard) };
    },
    async put({ address }: { address: string }, { body }: { body: AsyncIterable<Uint8Array> }) {
      asked.push('put');
      objects.set(address, await gather(body));
      return { address };
    },
  };
}

async function start(engines: EdgeEngines, objects = new Map([small, large].map((o) => [o.address, o.bytes]))) {
  const asked: string[] = [];
  const env = { ...testEnv(), disk: createSimEnv({ seed: 1 }).disk } as unknown as Env;
  const running = await edge.start({
    config: { current: () => ({ warm_readers: 2, pack_bytes_max: 64 * MiB }), onChange: () => undefined as never },
    peers: { storage: storageOver(objects, asked) } as never,
    engines,
    bus: undefined as never,
    metrics: createMetrics(),
    log: undefined as unknown as Log,
    env,
    signal: new AbortController().signal,
  });
  return { running, handlers: running.handlers as unknown as Handlers<typeof edgeContract>, asked, objects };
}

const inMemory = new Map([[small.address, small.bytes]]);
const near: EdgeEngines = {
  near: {
    sizeOf: (address) => inMemory.get(address)?.byteLength,
    resident: (address, from, length) => inMemory.get(address)?.subarray(from, from + length),
  },
};

describe('beside its storage', () => {
  test('memory is answered at once, without a copy and without asking; the rest is passed on', async () => {
    const { handlers, asked } = await start(near);
    const reply = handlers.read({ address: small.address }, call);
    if (reply instanceof Promise) throw new Error('not at once');
    expect(reply.output).toEqual({ address: small.address, size: 5_000, start: 0, length: 5_000, cache: 'HIT' });
    expect((reply.body as ResidentBody).bytes.buffer).toBe(small.bytes.buffer);
    expect(asked).toEqual([]);
    const passed = await handlers.read({ address: large.address, start: 10, length: 20 }, call);
    expect(passed.output).toEqual({ address: large.address, size: 300_000, start: 10, length: 20, cache: 'MISS' });
    expect(asked).toEqual(['get']);
    expect(await handlers.usage({}, call)).toMatchObject({ tiers: [], hits: 1, misses: 1 });
  });

  test.each([
    [4_999, undefined, 1],
    [4_999, 10, 1],
    [0, 0, 0],
  ])('a span from %i of %s has %i bytes', async (from, length, expected) => {
    const { handlers } = await start(near);
    const span = { address: small.address, start: from, ...(length === undefined ? {} : { length }) };
    const { output, body } = await handlers.read(span, call);
    expect([output.length, (await gather(body)).byteLength]).toEqual([expected, expected]);
  });

  test('refusals are the storage’s', async () => {
    const { handlers } = await start(near);
    const past = handlers.read({ address: small.address, start: 5_000 }, call);
    await expect(past).rejects.toMatchObject({ code: 'range_not_satisfiable' });
    const missing = handlers.read({ address: objectOf(7).address }, call);
    await expect(missing).rejects.toMatchObject({ code: 'not_found' });
    expect(await handlers.stat({ address: small.address }, call)).toEqual({ address: small.address, size: 5_000 });
    await expect(handlers.stat({ address: small.address, keep: true }, call)).rejects.toMatchObject({
      code: 'integrity',
    });
  });

  test('what storage deletes is gone here at the same moment', async () => {
    const { handlers, objects } = await start(near);
    await handlers.read({ address: small.address }, call);
    inMemory.delete(small.address);
    objects.delete(small.address);
    const gone = handlers.read({ address: small.address }, call);
    await expect(gone).rejects.toMatchObject({ code: 'not_found' });
    inMemory.set(small.address, small.bytes);
  });

  test('a pack becomes objects of the storage', async () => {
    const { handlers: from } = await start({ cache: { bytesMax: 16 * MiB } });
    const { body } = await from.pack_export({ addresses: [small.address, large.address] }, call);
    const pack = await gather(body);
    const { handlers, objects } = await start(near, new Map());
    const importing = { ...call, body: new ResidentBody(pack), bodyBytes: pack.byteLength };
    expect(await handlers.pack_import({}, importing)).toEqual({ objects: 2, bytes: 305_000 });
    expect(Buffer.compare(objects.get(large.address)!, large.bytes)).toBe(0);
  });
});

describe('far from its storage', () => {
  const engines: EdgeEngines = { cache: { bytesMax: 16 * MiB, disk: { folder: 'edge', bytesMax: 8 * MiB } } };

  test('reads are verified, kept, and answered at once from then on', async () => {
    const { handlers, asked } = await start(engines);
    const cold = await handlers.read({ address: small.address }, call);
    expect(cold.output).toMatchObject({ cache: 'MISS', age_s: 0 });
    expect(asked).toEqual(['get']);
    const hot = handlers.read({ address: small.address, start: 1, length: 2 }, call);
    if (hot instanceof Promise) throw new Error('not at once');
    expect(hot.output).toMatchObject({ size: 5_000, start: 1, length: 2, cache: 'HIT' });
    expect(asked).toEqual(['get']);
  });

  test('a put that was answered is seen by the next read', async () => {
    const { handlers, objects } = await start(engines, new Map());
    const reading = () => handlers.read({ address: small.address }, call);
    await expect(reading()).rejects.toMatchObject({ code: 'not_found' });
    objects.set(small.address, small.bytes);
    expect((await reading()).output.size).toBe(5_000);
  });

  test('slices and outboards come from what is verified', async () => {
    const { handlers } = await start(engines);
    const { address } = large;
    const { output, body } = await handlers.slice({ address, start: 70_000, length: 100_000 }, call);
    const slice = await gather(body);
    expect(slice.byteLength).toBe(output.slice_size);
    const root = hashFromAddress(address as Address);
    const verified = verifySlice(new ResidentBody(slice), { root, start: 70_000, length: 100_000 });
    expect(Buffer.compare(await gather(verified), large.bytes.subarray(70_000, 170_000))).toBe(0);
    const outboard = await handlers.outboard({ address }, call);
    expect(Buffer.compare(await gather(outboard.body), large.outboard)).toBe(0);
    expect(await handlers.stat({ address }, call)).toEqual({ address, size: 300_000 });
  });

  test('warms what it can and says what it cannot', async () => {
    const { handlers, asked } = await start(engines);
    const missing = objectOf(9, 77).address;
    const addresses = [small.address, missing, large.address, small.address];
    expect(await handlers.warm({ addresses }, call)).toEqual({
      objects: 2,
      bytes: 305_000,
      failed: [{ address: missing, code: 'not_found' }],
    });
    asked.length = 0;
    await gather((await handlers.read({ address: large.address }, call)).body);
    expect(asked).toEqual([]);
  });

  test('a purge says exactly one thing', async () => {
    const { handlers } = await start(engines);
    await handlers.warm({ addresses: [small.address, large.address] }, call);
    expect(() => handlers.purge({}, call)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    const both = () => handlers.purge({ address: small.address, all: true }, call);
    expect(both).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(await handlers.purge({ address: small.address }, call)).toMatchObject({ entries: 1 });
    // Five groups and an outboard.
    expect(await handlers.purge({ all: true }, call)).toMatchObject({ entries: 6 });
    const usage = await handlers.usage({}, call);
    expect(usage.tiers.map(({ tier, entries, bytes }) => [tier, entries, bytes])).toEqual([
      ['ram', 0, 0],
      ['disk', 0, 0],
    ]);
  });

  test('its gate is the disk tier’s', async () => {
    const { running } = await start(engines);
    expect(running.gates?.()).toEqual([{ gate: 'disk-tier', ok: true }]);
    await running[Symbol.asyncDispose]();
  });
});
