import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { objectOf, testEnv } from '../fixtures/objects.ts';
import { ObjectProof } from '../groups/object-proof.ts';
import { entryOverheadBytes, type HeldGroup, RamTier } from './ram-tier.ts';

const { work } = testEnv();
const large = Array.from({ length: 4 }, (_, seed) => objectOf(65_536 * 12 + 7, seed + 1));
const small = Array.from({ length: 40 }, (_, seed) => objectOf(1_000 + seed * 1_500, seed + 100));
const proofs = large.map(({ address, bytes, outboard }) => new ObjectProof(address, bytes.byteLength, outboard, work));

function groupOf(address: string, index: number, bytes: Uint8Array, isWhole: boolean): HeldGroup {
  return { kind: 'group', address, index, bytes, isWhole, sinceMs: 0, reads: 0 };
}

const step = fc.oneof(
  fc.record({ what: fc.constant('large' as const), object: fc.nat(3), index: fc.nat(12) }),
  fc.record({ what: fc.constant('small' as const), object: fc.nat(39) }),
  fc.record({ what: fc.constant('proof' as const), object: fc.nat(3) }),
  fc.record({ what: fc.constant('read' as const), object: fc.nat(3), index: fc.nat(12) }),
  fc.record({ what: fc.constant('purge' as const), object: fc.nat(3) }),
);

describe('RamTier', () => {
  test('a proof whose size is a claim gives way to one that is proven', () => {
    const { address, bytes, outboard } = large[0]!;
    const tier = new RamTier({ bytesMax: 1_500_000, onEvict: () => undefined });
    tier.addProof(new ObjectProof(address, bytes.byteLength, outboard, work));
    const before = tier.bytes;
    const proven = new ObjectProof(address, bytes.byteLength, outboard, work);
    proven.verify(proven.groupCount - 1, bytes.subarray((proven.groupCount - 1) * 65_536));
    tier.addProof(proven);
    expect([tier.proof(address), tier.bytes, tier.entries]).toEqual([proven, before, 1]);
    tier.addProof(new ObjectProof(address, bytes.byteLength, outboard, work));
    expect(tier.proof(address)).toBe(proven);
  });

  test('its bytes are what it holds, and never more than the budget; what it gives is what it was given', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), fc.integer({ min: 0, max: 1_500_000 }), (steps, bytesMax) => {
        const evicted: HeldGroup[] = [];
        const tier = new RamTier({ bytesMax, onEvict: (group) => evicted.push(group) });
        const given = new Map<HeldGroup, true>();
        for (const { what, ...at } of steps) {
          const object = large[at.object]!;
          const key = object?.address;
          if (what === 'small') {
            const { address, bytes } = small[at.object]!;
            const group = groupOf(address, 0, bytes, true);
            if (!tier.has(address, 0)) given.set(group, true);
            tier.addGroup(group);
          } else if (what === 'large' && 'index' in at) {
            const bytes = object.bytes.slice(at.index * 65_536, (at.index + 1) * 65_536);
            const group = groupOf(key!, at.index, bytes, false);
            if (!tier.has(key!, at.index)) given.set(group, true);
            tier.addGroup(group);
          } else if (what === 'proof') tier.addProof(proofs[at.object]!);
          else if (what === 'purge') tier.purge(key!);
          else if ('index' in at) {
            const held = tier.group(key!, at.index);
            if (held !== undefined) expect(given.has(held)).toBe(true);
          }
          const held = heldBy(tier);
          expect(tier.bytes).toBe(held.bytes);
          expect(tier.entries).toBe(held.entries);
          expect(tier.bytes).toBeLessThanOrEqual(bytesMax);
        }
        for (const group of evicted) expect(tier.peek(group.address, group.index)).not.toBe(group);
        expect(tier.purgeAll().bytes).toBeGreaterThanOrEqual(0);
        expect([tier.bytes, tier.entries]).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );
  });

  test('what is read again stays when a scan passes that is ten times the budget', () => {
    const tier = new RamTier({ bytesMax: 40 * (65_536 + entryOverheadBytes), onEvict: () => undefined });
    const hot = large.slice(0, 2);
    const ask = (address: string, index: number, bytes: Uint8Array) => {
      if (tier.group(address, index) !== undefined) return true;
      tier.addGroup(groupOf(address, index, bytes, false));
      return false;
    };
    for (let round = 0; round < 3; round += 1) {
      for (const { address, bytes } of hot)
        for (let index = 0; index < 12; index += 1) ask(address, index, bytes.slice(0, 65_536));
    }
    const scanned = `b3:${'5'.repeat(64)}`;
    for (let index = 0; index < 400; index += 1) ask(scanned, index, new Uint8Array(65_536));
    const kept = hot.flatMap(({ address, bytes }) =>
      Array.from({ length: 12 }, (_, index) => ask(address, index, bytes.slice(0, 65_536))),
    );
    expect(kept.filter(Boolean).length).toBe(24);
  });
});

/** Counted from outside, entry by entry. */
function heldBy(tier: RamTier): { bytes: number; entries: number } {
  let bytes = 0;
  let entries = 0;
  const count = (length: number): void => {
    bytes += length + entryOverheadBytes;
    entries += 1;
  };
  large.forEach(({ address, bytes: all, outboard }, place) => {
    for (let index = 0; index < 13; index += 1) {
      if (tier.has(address, index)) count(Math.min(65_536, all.byteLength - index * 65_536));
    }
    if (tier.hasProof(address)) count(outboard.byteLength + Math.ceil(proofs[place]!.groupCount / 8));
  });
  for (const object of small) if (tier.has(object.address, 0)) count(object.bytes.byteLength);
  return { bytes, entries };
}
