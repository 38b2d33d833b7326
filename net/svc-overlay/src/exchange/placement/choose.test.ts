import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { choosePlaces, chooseSurplus, type PlacementPeer } from './choose.ts';

const idOf = (index: number) => (Math.imul(index + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').repeat(8);
const addressOf = (index: number) =>
  `b3:${(Math.imul(index + 7, 0x85ebca6b) >>> 0).toString(16).padStart(8, '0').repeat(8)}`;

const peersOf = fc
  .array(
    fc.record({
      region: fc.option(fc.constantFrom('eu', 'us', 'ap'), { nil: undefined }),
      freeBytes: fc.constantFrom(0, 999, 1_000, 2 ** 50),
      state: fc.constantFrom('alive' as const, 'alive' as const, 'suspect' as const, 'dead' as const),
      quality: fc.constantFrom(0, 0.3, 0.9, 1),
    }),
    { maxLength: 24 },
  )
  .map((peers) =>
    peers.map(
      ({ region, ...rest }, index): PlacementPeer => ({ id: idOf(index), ...rest, ...(region ? { region } : {}) }),
    ),
  );

describe('where copies go', () => {
  test('alive, with space, distinct, none that has one; as many as there can be; the order of the peers is nothing', () => {
    fc.assert(
      fc.property(
        peersOf,
        fc.integer({ min: 0, max: 6 }),
        fc.nat(),
        fc.nat({ max: 4 }),
        (peers, copies, object, held) => {
          const holders = peers.slice(0, held).map(({ id }) => id);
          const question = { address: addressOf(object), sizeBytes: 1_000, copies, peers, holders };
          const chosen = choosePlaces(question);
          const able = peers.filter(
            ({ id, state, freeBytes }) => state === 'alive' && freeBytes >= 1_000 && !holders.includes(id),
          );
          expect(new Set(chosen).size).toBe(chosen.length);
          for (const id of chosen) expect(able.map((peer) => peer.id)).toContain(id);
          expect(chosen.length).toBe(Math.min(Math.max(0, copies - holders.length), able.length));
          expect(choosePlaces({ ...question, peers: [...peers].reverse() })).toEqual(chosen);
          expect(choosePlaces({ ...question, without: new Set(chosen) }).some((id) => chosen.includes(id))).toBe(false);
        },
      ),
    );
  });

  test('regions differ by at most one copy as long as they have nodes', () => {
    const peers = Array.from({ length: 12 }, (_, index): PlacementPeer => {
      return {
        id: idOf(index),
        region: ['eu', 'us', 'ap'][index % 3]!,
        freeBytes: 2 ** 40,
        state: 'alive',
        quality: index / 12,
      };
    });
    const region = (id: string) => peers.find((peer) => peer.id === id)!.region!;
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 1, max: 12 }),
        fc.shuffledSubarray(peers, { maxLength: 2 }),
        (object, copies, had) => {
          const holders = had.map(({ id }) => id);
          const all = [
            ...holders,
            ...choosePlaces({ address: addressOf(object), sizeBytes: 1, copies, peers, holders }),
          ];
          const counts = Object.values(Object.groupBy(all, region)).map((ids) => ids!.length);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  test('objects spread: of 20 equal nodes none gets more than three times its share', () => {
    const peers = Array.from({ length: 20 }, (_, index): PlacementPeer => {
      return { id: idOf(index), region: 'eu', freeBytes: 2 ** 40, state: 'alive', quality: 1 };
    });
    const counts = new Map<string, number>();
    for (let object = 0; object < 2_000; object++) {
      for (const id of choosePlaces({ address: addressOf(object), sizeBytes: 1, copies: 3, peers, holders: [] })) {
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
    }
    expect(counts.size).toBe(20);
    expect(Math.max(...counts.values())).toBeLessThan(900);
  });

  test('a surplus is given up where there is most of it, and the better copies stay', () => {
    const peer = (index: number, region: string, quality: number): PlacementPeer => {
      return { id: idOf(index), region, freeBytes: 0, state: 'alive', quality };
    };
    const holders = [peer(0, 'eu', 1), peer(1, 'eu', 0.1), peer(2, 'us', 0.1), peer(3, 'eu', 0.9)];
    expect(chooseSurplus(addressOf(1), 3, holders)).toEqual([idOf(1)]);
    expect(new Set(chooseSurplus(addressOf(1), 2, holders)).has(idOf(2))).toBe(false);
    expect(chooseSurplus(addressOf(1), 4, holders)).toEqual([]);
    expect(chooseSurplus(addressOf(1), 0, holders).length).toBe(4);
  });
});
