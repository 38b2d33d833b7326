import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CopyNetwork } from '../testing/copy-network.ts';
import { readNotes } from './pin-notes.ts';

const never = new AbortController().signal;
const size = 200_000;

describe('pin', () => {
  test('copies go to other regions, are proved, are named in the answer, and stand with the object', async () => {
    const network = new CopyNetwork(['eu', 'eu', 'us', 'us', 'ap']);
    const [owner] = network.nodes as [(typeof network.nodes)[0]];
    const address = network.put(owner, size);
    const pinned = await network.until(owner.pins.pin(address, 3, never));
    expect(pinned).toMatchObject({ address, size, copies: 3 });
    expect(new Set(pinned.holders.map(({ region }) => region))).toEqual(new Set(['eu', 'us', 'ap']));
    expect(new Set(pinned.holders.map(({ node }) => node))).toEqual(
      new Set(network.holders(address).map(({ id }) => id)),
    );
    const notes = readNotes(owner.shelf.pins(address));
    expect(notes.copies).toBe(3);
    expect(new Set([owner.id, ...notes.nodes])).toEqual(new Set(pinned.holders.map(({ node }) => node)));
    for (const node of network.holders(address).filter((other) => other !== owner)) {
      expect(node.shelf.pins(address)).toEqual([`copy:${owner.id}`]);
    }
  });

  test('what is not here is fetched first; what nobody has is not found, and leaves no wish', async () => {
    const network = new CopyNetwork([undefined, undefined, undefined]);
    const [owner, other] = network.nodes as [(typeof network.nodes)[0], (typeof network.nodes)[0]];
    const address = network.put(other, size);
    await network.until(owner.pins.pin(address, 2, never));
    expect(owner.has(address)).toBe(true);
    const nowhere = `b3:${'0'.repeat(64)}`;
    await expect(network.until(owner.pins.pin(nowhere, 2, never))).rejects.toMatchObject({ code: 'not_found' });
    expect(owner.pins.page('', 10).map((pinned) => pinned.address)).toEqual([address]);
  });

  test('too few takers: unavailable with the number and the reasons, and the wish goes on by itself', async () => {
    const network = new CopyNetwork([undefined, undefined, undefined], { bytesMax: size - 1 });
    const [owner] = network.nodes as [(typeof network.nodes)[0]];
    const address = network.put(owner, size);
    const refusal = await network.until(owner.pins.pin(address, 3, never).catch((error: unknown) => error));
    expect(refusal).toMatchObject({
      code: 'unavailable',
      details: { address, copies: 1, wanted: 3, refused: { [network.nodes[1]!.id]: 'no_space' } },
    });
    expect(owner.pins.page('', 10)).toMatchObject([{ address, copies: 3 }]);
    Object.assign(network.placing, { bytesMax: 10 * size });
    await network.env.scheduler.runFor(200_000);
    expect(network.holders(address)).toHaveLength(3);
  });

  test('a node that says it holds a copy and cannot prove it is passed over', async () => {
    const network = new CopyNetwork([undefined, undefined, undefined, undefined]);
    const [owner, ...others] = network.nodes as [(typeof network.nodes)[0], ...typeof network.nodes];
    const address = network.put(owner, size);
    const probe = await network.until(owner.pins.pin(address, 2, never));
    const liar = others.find(({ id }) => probe.holders.some(({ node }) => node === id))!;
    await network.until(owner.pins.unpin(address));
    const answer = { state: 'held' as const, free_bytes: 1_000_000 };
    liar.handlers = {
      ...liar.handlers,
      place: async () => answer,
      challenge: async () => ({ proof: '', tag: '0'.repeat(64) }),
    };
    const pinned = await network.until(owner.pins.pin(address, 2, never));
    expect(pinned.holders.map(({ node }) => node)).not.toContain(liar.id);
  });

  test('a node that is asked too much is asked again when it says so, and no copy has failed', async () => {
    const network = new CopyNetwork([undefined, undefined]);
    const [owner, other] = network.nodes as [(typeof network.nodes)[0], (typeof network.nodes)[0]];
    let asked = 0;
    const { place, challenge } = other.handlers;
    const tired = () => {
      asked += 1;
      if (asked % 3 !== 0) throw new RonError('quota_exhausted', 'wait', { retryAfterMs: 900 });
    };
    other.handlers = {
      ...other.handlers,
      place: async (input, from) => {
        tired();
        return await place(input, from);
      },
      challenge: async (input, from) => {
        tired();
        return await challenge(input, from);
      },
    };
    const address = network.put(owner, size);
    expect((await network.until(owner.pins.pin(address, 2, never))).holders).toHaveLength(2);
    expect(asked).toBeGreaterThan(6);
  });

  test('another number: more copies at once, and unpin takes them all back', async () => {
    const network = new CopyNetwork([undefined, undefined, undefined, undefined]);
    const [owner] = network.nodes as [(typeof network.nodes)[0]];
    const address = network.put(owner, size);
    await network.until(Promise.all([owner.pins.pin(address, 2, never), owner.pins.pin(address, 4, never)]));
    expect(network.holders(address)).toHaveLength(4);
    expect(readNotes(owner.shelf.pins(address)).copies).toBe(4);
    expect(await network.until(owner.pins.unpin(address))).toBe(true);
    expect(network.nodes.flatMap(({ shelf }) => shelf.pins(address))).toEqual([]);
    expect(await network.until(owner.pins.unpin(address))).toBe(false);
    expect(owner.pins.page('', 10)).toEqual([]);
  });

  test('pages are by address, and a cursor goes on behind it', async () => {
    const network = new CopyNetwork([undefined]);
    const [owner] = network.nodes as [(typeof network.nodes)[0]];
    const all: string[] = [];
    for (let seed = 1; seed <= 9; seed++) {
      const address = network.put(owner, 1_000, seed * 7_919);
      all.push(address);
      await network.until(owner.pins.pin(address, 1, never));
    }
    all.sort();
    const page = (cursor: string, limit: number) => owner.pins.page(cursor, limit).map(({ address }) => address);
    expect(page('', 100)).toEqual(all);
    expect(page('', 4)).toEqual(all.slice(0, 4));
    expect(page(all[3]!, 4)).toEqual(all.slice(4, 8));
    expect(page(all[8]!, 4)).toEqual([]);
  });
});

describe('over time', () => {
  test('a holder dies: the repair asked for now, or the grace time, brings the number back', async () => {
    const network = new CopyNetwork([undefined, undefined, undefined, undefined, undefined]);
    const [owner] = network.nodes as [(typeof network.nodes)[0]];
    const address = network.put(owner, size);
    const { holders } = await network.until(owner.pins.pin(address, 3, never));
    const dead = network.nodes.find(({ id }) => id === holders[1]!.node)!;
    network.set(dead, false);
    expect(await network.until(owner.pins.repairNow(true, never))).toMatchObject({
      dry_run: true,
      objects: 1,
      lacking: 1,
      restored: 0,
      copied_bytes: 0,
      sample: [{ address, copies: 3 }],
    });
    expect(network.holders(address)).toHaveLength(2);
    expect(await network.until(owner.pins.repairNow(false, never))).toEqual({
      dry_run: false,
      objects: 1,
      lacking: 1,
      restored: 1,
      copied_bytes: size,
      sample: [],
    });
    expect(network.holders(address)).toHaveLength(3);
    network.set(network.holders(address)[1]!, false);
    await network.env.scheduler.runFor(620_000);
    expect(network.holders(address)).toHaveLength(3);
  });

  test('a wish outlives the process of the owner, with where its copies are', async () => {
    const network = new CopyNetwork([undefined, undefined, undefined, undefined]);
    const [owner] = network.nodes as [(typeof network.nodes)[0]];
    const address = network.put(owner, size);
    const before = await network.until(owner.pins.pin(address, 3, never));
    owner.pins[Symbol.dispose]();
    owner.start();
    owner.pins.adopt(address, size, owner.shelf.pins(address));
    await network.env.scheduler.runFor(5_000);
    const [after] = owner.pins.page('', 10);
    expect(new Set(after!.holders.map(({ node }) => node))).toEqual(new Set(before.holders.map(({ node }) => node)));
    expect(network.holders(address)).toHaveLength(3);
    const dead = network.nodes.find((node) => node !== owner && node.has(address))!;
    network.set(dead, false);
    await network.until(owner.pins.repairNow(false, never));
    expect(network.holders(address)).toHaveLength(3);
  });

  test('a copy that is gone or damaged, here or there, is found by the round of checks and made again', async () => {
    const network = new CopyNetwork([undefined, undefined, undefined, undefined]);
    const [owner] = network.nodes as [(typeof network.nodes)[0]];
    const address = network.put(owner, size);
    await network.until(owner.pins.pin(address, 3, never));
    const stop = new AbortController();
    const round = owner.checks.run(stop.signal).catch((reason: unknown) => reason);
    await network.env.scheduler.runFor(700_000);
    expect(new Set(owner.outcomes)).toEqual(new Set(['held']));
    const other = network.holders(address).find((node) => node !== owner)!;
    other.shelf.objects.delete(address);
    await network.env.scheduler.runFor(1_300_000);
    expect(owner.outcomes).toContain('lost');
    expect(network.holders(address)).toHaveLength(3);
    owner.shelf.objects.get(address)!.state = 'quarantined';
    await network.env.scheduler.runFor(1_300_000);
    expect(owner.has(address)).toBe(true);
    stop.abort(new Error('over'));
    await network.env.scheduler.runFor(2_000);
    expect(await round).toMatchObject({ message: 'over' });
  });

  test('who renews keeps its copies past their time; when the owner is gone they end', async () => {
    const network = new CopyNetwork([undefined, undefined, undefined]);
    Object.assign(network.settings, { ttlMs: 1_800_000 });
    const [owner] = network.nodes as [(typeof network.nodes)[0]];
    const address = network.put(owner, size);
    await network.until(owner.pins.pin(address, 3, never));
    const stop = new AbortController();
    void owner.checks.run(stop.signal).catch(() => undefined);
    await network.env.scheduler.runFor(3 * 3_600_000);
    const kept = () => network.nodes.filter((node) => node !== owner && node.shelf.pins(address).length > 0).length;
    expect(kept()).toBe(2);
    stop.abort(new Error('over'));
    owner.pins[Symbol.dispose]();
    await network.env.scheduler.runFor(2 * 3_600_000);
    expect(kept()).toBe(0);
  });

  test('any deaths, partitions, damage and restarts of the owner: no acknowledged object is lost, and all copies are there at the end', async () => {
    const act = fc.record({
      what: fc.constantFrom('flip', 'cut', 'damage', 'restart'),
      node: fc.nat({ max: 5 }),
      waitS: fc.integer({ min: 0, max: 1_500 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 10 }), async (acts) => {
        const network = new CopyNetwork(['eu', 'eu', 'us', 'us', 'ap', 'ap']);
        const [owner] = network.nodes as [(typeof network.nodes)[0]];
        const all = [1, 2, 3].map((seed) => network.put(owner, 70_000 * seed, seed * 7_919));
        for (const address of all) await network.until(owner.pins.pin(address, 3, never));
        let stop = new AbortController();
        const check = () => {
          stop = new AbortController();
          owner.checks.run(stop.signal).catch(() => undefined);
        };
        check();
        for (const { what, node: index, waitS } of acts) {
          const node = network.nodes[index]!;
          if (what === 'flip' && node !== owner) network.set(node, !node.isUp);
          if (what === 'cut') for (const other of network.nodes.slice(index + 1)) network.set(other, false);
          // Bytes that go bad have an intact copy within reach, or nobody could mend them.
          const held = all.find((address) => node.has(address) && network.holders(address).length > 1);
          if (what === 'damage' && held !== undefined) node.shelf.objects.get(held)!.state = 'quarantined';
          if (what === 'restart') {
            stop.abort(new Error('killed'));
            owner.pins[Symbol.dispose]();
            owner.start();
            for (const address of all)
              owner.pins.adopt(address, owner.shelf.stat(address)!.sizeBytes, owner.shelf.pins(address));
            check();
          }
          await network.env.scheduler.runFor(waitS * 1_000 + (what === 'damage' ? 1_300_000 : 0));
          if (what === 'cut') for (const other of network.nodes.slice(1)) network.set(other, true);
          for (const address of all) expect(network.nodes.some((other) => other.has(address))).toBe(true);
        }
        for (const node of network.nodes.slice(1)) network.set(node, true);
        await network.env.scheduler.runFor(2 * 3_600_000);
        for (const address of all) {
          expect(owner.has(address)).toBe(true);
          expect(network.holders(address).length).toBeGreaterThanOrEqual(3);
        }
        expect(owner.pins.page('', 10).map(({ address }) => address)).toEqual([...all].sort());
        expect(await network.until(owner.pins.repairNow(true, never))).toMatchObject({ objects: 3, lacking: 0 });
        stop.abort(new Error('over'));
        owner.pins[Symbol.dispose]();
      }),
      { numRuns: 12 },
    );
  });
});
