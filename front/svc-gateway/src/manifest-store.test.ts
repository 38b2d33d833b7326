import { encodeManifest, manifestBytesMax } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMapStorage } from './fixtures/map-peers.ts';
import { bytesOf, configOf, contextOf } from './fixtures/start-gateway.ts';
import { LruBytes } from './lru-bytes.ts';
import { ManifestStore } from './manifest-store.ts';

function manifestOf(seed: number): Uint8Array {
  return encodeManifest([{ path: `f${seed}`, address: `b3:${'0'.repeat(64)}`, size: seed, mime: 'text/plain' }]);
}

function storeOf(manifest_cache_bytes = 1_000_000) {
  const storage = createMapStorage();
  const store = new ManifestStore(storage.peer, configOf({ manifest_cache_bytes }));
  return { storage, store, open: (address: string) => store.open(address, contextOf()) };
}

describe('the manifest store', () => {
  it('reads a manifest once for any number of callers at the same time', async () => {
    const { storage, open } = storeOf();
    const address = storage.add(manifestOf(1));
    const all = await Promise.all(Array.from({ length: 100 }, () => open(address)));
    expect(new Set(all).size).toBe(1);
    expect(storage.calls).toEqual(['stat', 'get', 'get']);
  });

  it('remembers what is no manifest, too', async () => {
    const { storage, open } = storeOf();
    const address = storage.add(bytesOf(1_000));
    expect([await open(address), await open(address)]).toEqual([undefined, undefined]);
    expect(storage.calls).toEqual(['stat', 'get']);
  });

  it('does not look into objects too small or too large for a manifest', async () => {
    const { storage, open } = storeOf();
    expect(await open(storage.add(bytesOf(19)))).toBeUndefined();
    expect(storage.calls).toEqual(['stat']);
    expect(await open(storage.add(bytesOf(20)))).toBeUndefined();
    expect(storage.calls).toEqual(['stat', 'stat', 'get']);
  });

  it.each([
    [manifestBytesMax, ['stat', 'get']],
    [manifestBytesMax + 1, ['stat']],
  ])('looks into objects of up to 32 MiB: %d', async (size, calls) => {
    const { storage } = storeOf();
    const address = storage.add(bytesOf(100));
    const { peer } = storage;
    const get: typeof peer.get = (input, options) => peer.get(input, options);
    const stat: typeof peer.stat = async (input, options) => ({ ...(await peer.stat(input, options)), size });
    expect(await new ManifestStore({ ...peer, get, stat }, configOf()).open(address, contextOf())).toBeUndefined();
    expect(storage.calls).toEqual(calls);
  });

  it('forgets a failure, and lets another caller try for those who waited on it', async () => {
    const { storage } = storeOf();
    const address = storage.add(manifestOf(1));
    let failures = 1;
    const store = new ManifestStore(
      {
        ...storage.peer,
        get: (input, options) => storage.peer.get(input, options),
        async stat(input, options) {
          if (failures > 0) throw new RonError('unavailable', `failure ${failures--}`);
          return storage.peer.stat(input, options);
        },
      },
      configOf(),
    );
    const [first, ...others] = await Promise.allSettled([1, 2, 3].map(() => store.open(address, contextOf())));
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    expect(others).toMatchObject([{ value: { v: 1 } }, { value: { v: 1 } }]);
    expect(storage.calls).toEqual(['stat', 'get', 'get']);
  });

  it('passes a failure on when it is every caller’s', async () => {
    const { open } = storeOf();
    const absent = `b3:${'1'.repeat(64)}`;
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => open(absent)));
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && (outcome.reason as RonError).code)).toEqual(
      Array(5).fill('not_found'),
    );
  });

  it('loads four at a time', async () => {
    const { storage, store } = storeOf();
    const addresses = Array.from({ length: 10 }, (_, seed) => storage.add(manifestOf(seed)));
    let [now, most] = [0, 0];
    const { stat } = storage.peer;
    const slow = new ManifestStore(
      {
        ...storage.peer,
        get: (input, options) => storage.peer.get(input, options),
        async stat(input, options) {
          now += 1;
          most = Math.max(most, now);
          for (let turn = 0; turn < 5; turn += 1) await undefined;
          now -= 1;
          return stat(input, options);
        },
      },
      configOf(),
    );
    const manifests = await Promise.all(addresses.map((address) => slow.open(address, contextOf())));
    expect(manifests.map((manifest) => manifest?.entries[0]?.path)).toEqual(addresses.map((_, seed) => `f${seed}`));
    expect(most).toBe(4);
    expect(store.cachedBytes).toBe(0);
  });

  it('lets a call that ends leave the line, and the next has its turn', async () => {
    const { storage } = storeOf();
    const { peer } = storage;
    const addresses = Array.from({ length: 6 }, (_, seed) => storage.add(manifestOf(seed)));
    const held = Promise.withResolvers<void>();
    const stat: typeof peer.stat = (input, options) => held.promise.then(() => peer.stat(input, options));
    const get: typeof peer.get = (input, options) => peer.get(input, options);
    const store = new ManifestStore({ ...peer, get, stat }, configOf());
    const ends = new AbortController();
    const opened = addresses.map((address, at) =>
      store.open(address, at === 4 ? { ...contextOf(), signal: ends.signal } : contextOf()),
    );
    const late = new RonError('deadline_exceeded', 'late');
    const left = expect(opened[4]).rejects.toBe(late);
    ends.abort(late);
    await left;
    held.resolve();
    expect(await opened[5]).toMatchObject({ v: 1 });
    await Promise.allSettled(opened);
    expect(storage.calls.filter((call) => call === 'stat')).toHaveLength(5);
  });

  it('keeps within its bytes', async () => {
    const { storage, store, open } = storeOf(2_000);
    for (let seed = 0; seed < 50; seed += 1) {
      expect(await open(storage.add(manifestOf(seed)))).toBeDefined();
      expect(store.cachedBytes).toBeLessThanOrEqual(2_000);
    }
    expect(store.cachedBytes).toBeGreaterThan(1_000);
    const none = storeOf(0);
    expect(await none.open(none.storage.add(manifestOf(1)))).toBeDefined();
    expect(none.store.cachedBytes).toBe(0);
  });

  it('refuses storage that sends other lengths than it says', async () => {
    const { storage } = storeOf();
    const address = storage.add(manifestOf(1));
    const bytes = storage.objects.get(address)!;
    for (const sent of [bytes.subarray(1), Uint8Array.from([...bytes, 0])]) {
      const broken = new ManifestStore(
        {
          ...storage.peer,
          stat: (input, options) => storage.peer.stat(input, options),
          async get(input, options) {
            const reply = await storage.peer.get(input, options);
            if (input.length !== undefined) return reply;
            return {
              ...reply,
              body: (async function* () {
                yield sent;
              })(),
            };
          },
        },
        configOf(),
      );
      await expect(broken.open(address, contextOf())).rejects.toMatchObject({ code: 'integrity' });
    }
  });
});

describe('LruBytes', () => {
  it('behaves as a list in order of use', () => {
    const command = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      weight: fc.option(fc.nat(6), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const lru = new LruBytes<number>();
        let model: { key: string; value: number; weight: number }[] = [];
        commands.forEach(({ key, weight }, value) => {
          const known = model.find((entry) => entry.key === key);
          if (weight === undefined) {
            expect(lru.get(key)).toBe(known?.value);
            if (known !== undefined) model = [...model.filter((entry) => entry !== known), known];
          } else {
            lru.set(key, value, weight, 10);
            model = [...model.filter((entry) => entry !== known), { key, value, weight }];
            const total = () => model.reduce((sum, entry) => sum + entry.weight, 0);
            while (total() > 10) model.shift();
          }
          expect(lru.totalBytes).toBe(model.reduce((sum, entry) => sum + entry.weight, 0));
        });
      }),
    );
  });

  it('keeps what is as heavy as the bound, and not what is heavier', () => {
    const lru = new LruBytes<string>();
    lru.set('a', 'nine', 9, 10);
    lru.set('b', 'eleven', 11, 10);
    expect([lru.get('a'), lru.get('b')]).toEqual(['nine', undefined]);
    lru.set('c', 'ten', 10, 10);
    expect([lru.get('a'), lru.get('c'), lru.totalBytes]).toEqual([undefined, 'ten', 10]);
    lru.set('c', 'too heavy now', 11, 10);
    expect([lru.get('c'), lru.totalBytes]).toEqual([undefined, 0]);
  });
});
