import { readFileSync } from 'node:fs';
import { hash } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { emptyBody } from '@ron/proto/stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Combiner } from './combiner.ts';
import { ErasureCode } from './erasure-code.ts';
import { inverse, multiply } from './galois.ts';
import { generatorRow, invert } from './matrix.ts';
import { encodeStripes } from './stripe-encoder.ts';
import { slowInverse, slowMultiply, slowShards } from './testing/slow-code.ts';
import { collectShards } from './testing/spread.ts';

interface Vectors {
  readonly cases: readonly {
    readonly size: number;
    readonly k: number;
    readonly m: number;
    readonly address: string;
    readonly shard_size: number;
    readonly parity_begins: readonly string[];
    readonly shards: readonly string[];
  }[];
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../../docs/specs/vectors/erasure-1.json', import.meta.url), 'utf8'),
);
const input = (size: number) => Uint8Array.from({ length: size }, (_, index) => index % 251);
const addressOf = (bytes: Uint8Array) => addressFromHash(hash(bytes));

describe('the field', () => {
  test('every product is that of polynomials, every inverse the one that is found by search', () => {
    for (let left = 0; left < 256; left++) {
      for (let right = 0; right < 256; right++) {
        if (multiply(left, right) !== slowMultiply(left, right)) expect([left, right]).toBe('equal products');
      }
      if (left > 0) expect(inverse(left)).toBe(slowInverse(left));
    }
    expect(() => inverse(0)).toThrow(RangeError);
  });
});

describe('vectors', () => {
  test.each(vectors.cases)(
    '$size bytes as $k + $m',
    async ({ size, k, m, address, shard_size, parity_begins, shards }) => {
      const object = input(size);
      const { manifest, bytes } = await collectShards(object, { k, m });
      expect(manifest).toMatchObject({ address, size, k, m, shard_size });
      expect(manifest.shards.map((shard) => shard.address)).toEqual(shards);
      expect(bytes.map(addressOf)).toEqual(shards);
      expect(bytes.slice(k, k + 4).map((shard) => Buffer.from(shard.subarray(0, 16)).toString('hex'))).toEqual(
        parity_begins,
      );
    },
  );

  test('the slow code of the specification makes the vectors', () => {
    for (const { size, k, m, shards } of vectors.cases.filter((each) => each.size <= 1_000)) {
      expect(slowShards(input(size), k, m).map(addressOf)).toEqual(shards);
    }
  });
});

describe('the code', () => {
  const parameters = fc
    .tuple(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 12 }))
    .map(([k, m]) => ({ k, m }));

  test('any k shards make any others', () => {
    fc.assert(
      fc.property(
        parameters,
        fc.integer({ min: 1, max: 5_000 }),
        fc.infiniteStream(fc.nat()),
        ({ k, m }, length, dice) => {
          const roll = (below: number) => dice.next().value % below;
          const data = Array.from({ length: k }, () => Uint8Array.from({ length }, () => roll(256)));
          const all = [...data, ...Array.from({ length: m }, () => new Uint8Array(length))];
          const code = new ErasureCode({ k, m });
          code.encode(data, all.slice(k));
          const order = all.map((_, index) => index).sort(() => roll(3) - 1);
          const present = order.slice(0, k);
          const wanted = order.slice(k);
          const made = wanted.map(() => new Uint8Array(length).fill(0xaa));
          code.reconstruct(
            present,
            present.map((index) => all[index]!),
            wanted,
            made,
          );
          for (const [at, index] of wanted.entries()) expect(Buffer.compare(made[at]!, all[index]!)).toBe(0);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('no k rows of a generator are dependent: all of small ones, some of the largest', () => {
    const isIndependent = (rows: readonly number[], k: number) =>
      invert(rows.map((index) => generatorRow(index, k))) !== undefined;
    const choose = (from: number, count: number): number[][] =>
      count === 0
        ? [[]]
        : Array.from({ length: from }, (_, i) => i).flatMap((last) =>
            choose(last, count - 1).map((rest) => [...rest, last]),
          );
    for (const rows of choose(9, 5)) expect(isIndependent(rows, 5)).toBe(true);
    fc.assert(
      fc.property(
        fc.shuffledSubarray(
          Array.from({ length: 255 }, (_, i) => i),
          { minLength: 40, maxLength: 40 },
        ),
        (rows) => {
          // A generator of 215 + 40, of which the 40 parity rows and 175 data rows are one choice.
          const parity = rows.filter((index) => index >= 215);
          const data = Array.from({ length: 215 }, (_, i) => i).slice(parity.length);
          expect(isIndependent([...data, ...parity], 215)).toBe(true);
        },
      ),
      { numRuns: 2 },
    );
  });

  test('limits: 1 + 1 and 254 + 1 work; 0 + 1, 1 + 0 and 255 + 1 are refused', () => {
    for (const [k, m] of [
      [1, 1],
      [254, 1],
      [1, 254],
    ] as const) {
      const code = new ErasureCode({ k, m });
      const data = Array.from({ length: k }, (_, index) => Uint8Array.of(index + 1));
      const parity = Array.from({ length: m }, () => new Uint8Array(1));
      code.encode(data, parity);
      const lost = new Uint8Array(1);
      code.reconstruct([...data.keys()].slice(1).concat(k), [...data.slice(1), parity[0]!], [0], [lost]);
      expect(lost).toEqual(data[0]);
    }
    for (const [k, m] of [
      [0, 1],
      [1, 0],
      [255, 1],
      [1.5, 1],
    ] as const) {
      expect(() => new ErasureCode({ k, m })).toThrow(RangeError);
    }
  });

  test('wrong arguments are refused, not computed with', () => {
    const code = new ErasureCode({ k: 2, m: 1 });
    const shard = new Uint8Array(4);
    expect(() => code.encode([shard], [shard])).toThrow('number of shards');
    expect(() => code.encode([shard, new Uint8Array(3)], [shard])).toThrow('lengths');
    expect(() => code.reconstruct([0, 0], [shard, shard], [1], [shard])).toThrow('shards are needed');
    expect(() => code.reconstruct([0, 3], [shard, shard], [1], [shard])).toThrow('no such shard');
    expect(() => new Combiner([Uint8Array.of(1, 1)]).combine([shard, shard], [])).toThrow('number of shards');
  });

  test('how the source is split changes nothing; an empty one is refused', async () => {
    const object = input(700_001);
    const whole = await collectShards(object, { k: 4, m: 2 });
    const pieces = await collectShards(object, { k: 4, m: 2 }, 65_521);
    expect(pieces.manifest).toEqual(whole.manifest);
    const empty = encodeStripes(emptyBody, { write: () => undefined });
    await expect(empty).rejects.toMatchObject({ code: 'bad_request' });
  });
});
