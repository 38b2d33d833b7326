import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stripeLayout, unitBytes } from './stripe-layout.ts';
import {
  type ManifestSignature,
  openStripeManifest,
  parseStripeManifest,
  sealStripeManifest,
  stripeManifestBytesMax,
} from './stripe-manifest.ts';
import { rebuildObject, repairShard } from './stripe-rebuild.ts';
import { collectShards, type Spread, shardSource } from './testing/spread.ts';

const object = Uint8Array.from({ length: 700_001 }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
const spread = await collectShards(object, { k: 4, m: 2 });

async function rebuilt(from: Spread, source = shardSource(from), bad: string[] = []): Promise<Uint8Array> {
  const bytes = new Uint8Array(from.manifest.size);
  await rebuildObject(from.manifest, {
    source,
    write: (offset, piece) => bytes.set(piece, offset),
    onBadShard: (index, reason) => void bad.push(`${index} ${reason}`),
  });
  return bytes;
}

describe('rebuild', () => {
  test('any loss of up to m shards, by absence or by a wrong bit, gives the object and names the shards', async () => {
    const loss = fc.record({
      lost: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { maxLength: 2 }),
      flips: fc.array(fc.boolean(), { minLength: 2, maxLength: 2 }),
      at: fc.integer({ min: 0, max: spread.manifest.shard_size - 1 }),
    });
    await fc.assert(
      fc.asyncProperty(loss, async ({ lost, flips, at }) => {
        const missing = new Set(lost.filter((_, index) => flips[index] === false));
        const flipped = new Map(lost.filter((_, index) => flips[index] === true).map((index) => [index, at]));
        const bad: string[] = [];
        const bytes = await rebuilt(spread, shardSource(spread, missing, flipped), bad);
        expect(Buffer.compare(bytes, object)).toBe(0);
        for (const line of bad) {
          const index = Number(line.split(' ')[0]);
          expect(line).toBe(missing.has(index) ? `${index} unreachable` : `${index} group`);
          expect(lost).toContain(index);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('one shard more than m: unavailable when they are gone, integrity when one is wrong', async () => {
    await expect(rebuilt(spread, shardSource(spread, new Set([0, 2, 5])))).rejects.toMatchObject({
      code: 'unavailable',
    });
    const wrong = shardSource(spread, new Set([0, 2]), new Map([[5, 7]]));
    await expect(rebuilt(spread, wrong)).rejects.toMatchObject({ code: 'integrity' });
  });

  test('each shard is repaired alone, and not from itself', async () => {
    for (const { index } of spread.manifest.shards) {
      const bytes = new Uint8Array(spread.manifest.shard_size);
      const source = shardSource(spread, new Set([index]));
      await repairShard(spread.manifest, index, { source, write: (offset, piece) => bytes.set(piece, offset) });
      expect(Buffer.compare(bytes, spread.bytes[index]!)).toBe(0);
    }
    const beyond = repairShard(spread.manifest, 6, { source: shardSource(spread), write: () => undefined });
    await expect(beyond).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('a manifest that lies is caught by the address of the whole', async () => {
    const other = await collectShards(
      object.map((byte) => byte ^ 1),
      { k: 4, m: 2 },
    );
    const lying: Spread = { ...other, manifest: { ...other.manifest, address: spread.manifest.address } };
    await expect(rebuilt(lying)).rejects.toMatchObject({ code: 'integrity' });
    const mixed = other.manifest.shards.map((shard, index) => (index === 5 ? spread.manifest.shards[5]! : shard));
    const shards = {
      ...other,
      bytes: other.bytes.with(5, spread.bytes[5]!),
      outboards: other.outboards.with(5, spread.outboards[5]!),
    };
    const patched: Spread = { ...shards, manifest: { ...other.manifest, shards: mixed } };
    await expect(rebuilt(patched, shardSource(patched, new Set([0, 4])))).rejects.toMatchObject({ code: 'integrity' });
    const repair = repairShard(patched.manifest, 0, {
      source: shardSource(patched, new Set([1])),
      write: () => undefined,
    });
    await expect(repair).rejects.toMatchObject({ code: 'integrity' });
  });
});

describe('layout', () => {
  test('units add up to the shard, and shards to the object with less than k bytes more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 40 }), fc.integer({ min: 1, max: 254 }), (size, k) => {
        const layout = stripeLayout(size, k);
        expect(layout.shardSize * k - size).toBeGreaterThanOrEqual(0);
        expect(layout.shardSize * k - size).toBeLessThan(k);
        expect((layout.stripes - 1) * 65_536 + unitBytes(layout, layout.stripes - 1)).toBe(layout.shardSize);
        expect(unitBytes(layout, layout.stripes - 1)).toBeGreaterThan(0);
      }),
    );
    expect(() => stripeLayout(0, 4)).toThrow(RangeError);
  });
});

describe('manifest', () => {
  const signature: ManifestSignature = { signer: 'me', alg: 'ed25519', signature: 'A'.repeat(86) };
  const seal = () => sealStripeManifest(spread.manifest, async () => [signature]);

  test('what was sealed opens, with the same signed bytes', async () => {
    const text = await sealStripeManifest(spread.manifest, async (message) => {
      expect(new TextDecoder().decode(message)).toMatch(/^ron-signed\/1 stripe\n\{"address":"b3:/);
      return [signature];
    });
    const opened = await openStripeManifest(text, (_message, signatures) => signatures[0]?.signer === 'me');
    expect(opened).toEqual(spread.manifest);
    await expect(openStripeManifest(text, () => false)).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('what does not fit together is refused', () => {
    const bad: readonly object[] = [
      { v: 2 },
      { type: 'other' },
      { address: 'b3:00' },
      { size: 0 },
      { size: 700_005 },
      { k: 255 },
      { k: 5 },
      { m: 1 },
      { shard_size: 1 },
      { shards: spread.manifest.shards.slice(1) },
      { shards: [...spread.manifest.shards].reverse() },
      { shards: spread.manifest.shards.map(({ index }) => ({ index, address: 'x' })) },
      { extra: 1 },
    ];
    for (const change of bad) expect(() => parseStripeManifest({ ...spread.manifest, ...change })).toThrow();
    expect(parseStripeManifest(spread.manifest)).toEqual(spread.manifest);
  });

  test('a changed or oversized text never opens as something else', async () => {
    const text = await seal();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: text.length - 1 }),
        fc.string({ minLength: 1, maxLength: 1 }),
        async (at, put) => {
          const changed = text.slice(0, at) + put + text.slice(at + 1);
          const opened = await openStripeManifest(changed, (message) => message.length > 0).catch((error) => error);
          if (opened instanceof Error)
            expect(opened).toMatchObject({ code: expect.stringMatching(/bad_request|forbidden/) });
        },
      ),
    );
    await expect(openStripeManifest(' '.repeat(stripeManifestBytesMax + 1), () => true)).rejects.toMatchObject({
      code: 'bad_request',
    });
  });
});
