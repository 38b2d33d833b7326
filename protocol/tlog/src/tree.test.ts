import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  consistencyProof,
  coverOf,
  encodeBundle,
  Frontier,
  type HashReader,
  inclusionProof,
  parseBundle,
  parseTilePath,
  type TreeNode,
  tileHashReader,
  tilePath,
  treeHasher,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
  widthOfTile,
} from './index.ts';

/** RFC 6962, section 2.1, word for word; shares nothing with the code under test. */
const digest = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};
const leafOf = (entry: Uint8Array) => digest(Uint8Array.of(0), entry);
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
function mth(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length === 0) return digest();
  if (entries.length === 1) return leafOf(entries[0] as Uint8Array);
  const k = split(entries.length);
  return digest(Uint8Array.of(1), mth(entries.slice(0, k)), mth(entries.slice(k)));
}
function path(m: number, entries: readonly Uint8Array[]): Uint8Array[] {
  if (entries.length <= 1) return [];
  const k = split(entries.length);
  return m < k
    ? [...path(m, entries.slice(0, k)), mth(entries.slice(k))]
    : [...path(m - k, entries.slice(k)), mth(entries.slice(0, k))];
}
function subproof(m: number, entries: readonly Uint8Array[], whole: boolean): Uint8Array[] {
  if (m === entries.length) return whole ? [] : [mth(entries)];
  const k = split(entries.length);
  return m <= k
    ? [...subproof(m, entries.slice(0, k), whole), mth(entries.slice(k))]
    : [...subproof(m - k, entries.slice(k), false), mth(entries.slice(0, k))];
}

const entriesOf = (size: number) => Array.from({ length: size }, (_, at) => new TextEncoder().encode(`entry ${at}`));
const readerOf =
  (entries: readonly Uint8Array[]): HashReader =>
  async (nodes) =>
    nodes.map(({ level, index }) => mth(entries.slice(index * 2 ** level, (index + 1) * 2 ** level)));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const fromHex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

interface Vectors {
  readonly leaves: readonly string[];
  readonly roots: readonly string[];
  readonly inclusion: readonly { readonly index: number; readonly size: number; readonly proof: readonly string[] }[];
  readonly consistency: readonly { readonly from: number; readonly to: number; readonly proof: readonly string[] }[];
}
const vectors = JSON.parse(
  readFileSync(new URL('../../../docs/specs/vectors/tlog-tree.json', import.meta.url), 'utf8'),
) as Vectors;

describe('the published tree of eight leaves', () => {
  const leaves = vectors.leaves.map(fromHex);

  test('has the published roots', async () => {
    const frontier = new Frontier();
    expect(hex(frontier.root())).toBe(vectors.roots[0]);
    for (const [at, leaf] of leaves.entries()) {
      frontier.append(treeHasher.leaf(leaf));
      expect(hex(frontier.root()), `size ${at + 1}`).toBe(vectors.roots[at + 1]);
      expect(hex(mth(leaves.slice(0, at + 1)))).toBe(vectors.roots[at + 1]);
    }
  });

  test('has the published proofs', async () => {
    for (const { index, size, proof } of vectors.inclusion) {
      expect((await inclusionProof(index, size, readerOf(leaves))).map(hex)).toEqual(proof);
    }
    for (const { from, to, proof } of vectors.consistency) {
      expect((await consistencyProof(from, to, readerOf(leaves))).map(hex)).toEqual(proof);
    }
  });
});

describe('proofs', () => {
  test('are those of the definition, for every tree up to 24 entries', async () => {
    const entries = entriesOf(24);
    const read = readerOf(entries);
    for (let size = 0; size <= 24; size += 1) {
      const tree = entries.slice(0, size);
      const root = mth(tree);
      expect(await treeRoot(size, read)).toEqual(root);
      for (let index = 0; index < size; index += 1) {
        const proof = await inclusionProof(index, size, read);
        expect(proof).toEqual(path(index, tree));
        expect(verifyInclusion({ index, size, leafHash: leafOf(tree[index] as Uint8Array), proof, root })).toBe(true);
      }
      for (let from = 1; from <= size; from += 1) {
        const proof = await consistencyProof(from, size, read);
        expect(proof).toEqual(subproof(from, tree, true));
        const fromRoot = mth(entries.slice(0, from));
        expect(verifyConsistency({ from, to: size, fromRoot, toRoot: root, proof })).toBe(true);
      }
    }
  });

  test('hold at sizes around the powers of two that 32 bits cannot hold', async () => {
    // One subtree hash for each node: the shape is right or wrong whatever the hashes are.
    const read: HashReader = async (nodes) => nodes.map(({ level, index }) => digest(Buffer.from(`${level}/${index}`)));
    const sizes = [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52 + 12_345, Number.MAX_SAFE_INTEGER];
    for (const size of sizes) {
      for (const index of [0, 1, Math.floor(size / 3), size - 2, size - 1]) {
        const proof = await inclusionProof(index, size, read);
        expect(proof.length).toBeLessThanOrEqual(53);
        const root = fold(index, size, digest(Buffer.from(`0/${index}`)), proof);
        const leafHash = digest(Buffer.from(`0/${index}`));
        expect(verifyInclusion({ index, size, leafHash, proof, root })).toBe(true);
        expect(verifyInclusion({ index: index ^ 1, size, leafHash, proof, root })).toBe(false);
      }
    }
  });

  /** The root that a path leads to, by the recursion of the definition. */
  function fold(m: number, n: number, hash: Uint8Array, proof: readonly Uint8Array[]): Uint8Array {
    if (n === 1) return hash;
    const sibling = proof.at(-1) as Uint8Array;
    const k = split(n);
    return m < k
      ? digest(Uint8Array.of(1), fold(m, k, hash, proof.slice(0, -1)), sibling)
      : digest(Uint8Array.of(1), sibling, fold(m - k, n - k, hash, proof.slice(0, -1)));
  }

  test('any flipped bit, hash more or less, or other number is noticed', async () => {
    const entries = entriesOf(70);
    const read = readerOf(entries);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), async (size, pick, bit) => {
        const index = pick % size;
        const good = {
          index,
          size,
          leafHash: leafOf(entries[index] as Uint8Array),
          proof: await inclusionProof(index, size, read),
          root: mth(entries.slice(0, size)),
        };
        const all = [good.leafHash, good.root, ...good.proof];
        const target = all[bit % all.length] as Uint8Array;
        const flipped = target.slice();
        const at = Math.floor(bit / all.length) % 256;
        flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7));
        const swap = (hash: Uint8Array) => (hash === target ? flipped : hash);
        expect(
          verifyInclusion({
            ...good,
            leafHash: swap(good.leafHash),
            root: swap(good.root),
            proof: good.proof.map(swap),
          }),
        ).toBe(false);
        expect(verifyInclusion({ ...good, proof: [...good.proof, good.root] })).toBe(false);
        expect(verifyInclusion({ ...good, proof: good.proof.slice(1) })).toBe(false);
        expect(verifyInclusion({ ...good, proof: [...good.proof.slice(1), new Uint8Array(31)] })).toBe(false);
        for (const other of [index + 1, index - 1, size, -1, 0.5]) {
          expect(verifyInclusion({ ...good, index: other })).toBe(false);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('a consistency proof is for these two trees and no others', async () => {
    const entries = entriesOf(70);
    const read = readerOf(entries);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 69 }),
        fc.integer({ min: 1, max: 69 }),
        fc.nat(),
        async (a, b, bit) => {
          const [from, to] = a < b ? [a, b] : [b, a + 1];
          const proof = await consistencyProof(from, to, read);
          const good = { from, to, fromRoot: mth(entries.slice(0, from)), toRoot: mth(entries.slice(0, to)), proof };
          expect(verifyConsistency(good)).toBe(true);
          const forked = entries.map((entry, at) => (at === bit % from ? Uint8Array.of(9) : entry));
          expect(verifyConsistency({ ...good, fromRoot: mth(forked.slice(0, from)) })).toBe(false);
          expect(verifyConsistency({ ...good, toRoot: mth(forked.slice(0, to)) })).toBe(false);
          expect(verifyConsistency({ ...good, from: to, to: from })).toBe(false);
          expect(verifyConsistency({ ...good, proof: [...proof, good.toRoot] })).toBe(false);
          if (proof.length > 0) expect(verifyConsistency({ ...good, proof: proof.slice(1) })).toBe(false);
          for (const [at, hash] of proof.entries()) {
            const flipped = hash.slice();
            flipped[bit % 32] = (flipped[bit % 32] as number) ^ (1 << (bit & 7));
            expect(verifyConsistency({ ...good, proof: proof.with(at, flipped) })).toBe(false);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the empty tree is the beginning of every tree, with its own root only', async () => {
    const [empty, root] = [digest(), mth(entriesOf(3))];
    expect(await consistencyProof(0, 3, readerOf(entriesOf(3)))).toEqual([]);
    expect(verifyConsistency({ from: 0, to: 3, fromRoot: empty, toRoot: root, proof: [] })).toBe(true);
    expect(verifyConsistency({ from: 0, to: 3, fromRoot: root, toRoot: root, proof: [] })).toBe(false);
    expect(verifyConsistency({ from: 0, to: 3, fromRoot: empty, toRoot: root, proof: [root] })).toBe(false);
    expect(verifyConsistency({ from: 0, to: 0, fromRoot: empty, toRoot: empty, proof: [] })).toBe(true);
    expect(verifyConsistency({ from: 3, to: 3, fromRoot: root, toRoot: empty, proof: [] })).toBe(false);
    expect(verifyConsistency({ from: 3, to: 5, fromRoot: root, toRoot: root, proof: [] })).toBe(false);
    expect(verifyInclusion({ index: 0, size: 0, leafHash: root, proof: [], root })).toBe(false);
  });
});

describe('a frontier', () => {
  test('tells each perfect subtree once, and goes on from subtrees as from leaves', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 300 }), (a, b) => {
        const [start, size] = a < b ? [a, b] : [b, a];
        const entries = entriesOf(size);
        const seen = new Map<string, string>();
        const whole = new Frontier();
        for (const entry of entries) {
          whole.append(leafOf(entry), ({ level, index }, hash) => {
            expect(seen.has(`${level}/${index}`)).toBe(false);
            seen.set(`${level}/${index}`, hex(hash));
          });
        }
        const parts = new Frontier();
        const nodes: TreeNode[] = [...coverOf(0, start), ...coverOf(start, size)];
        for (const { level, index } of nodes) {
          parts.appendSubtree(level, fromHex(seen.get(`${level}/${index}`) as string));
        }
        expect(parts.size).toBe(size);
        expect(parts.root()).toEqual(whole.root());
        expect(whole.root()).toEqual(mth(entries));
      }),
      { numRuns: 20 },
    );
  });

  test('refuses a subtree where none can be', () => {
    const frontier = new Frontier();
    frontier.append(new Uint8Array(32));
    expect(() => frontier.appendSubtree(1, new Uint8Array(32))).toThrow(RangeError);
    expect(() => frontier.appendSubtree(-1, new Uint8Array(32))).toThrow(RangeError);
    expect(() => treeHasher.node(new Uint8Array(31), new Uint8Array(32))).toThrow(RangeError);
  });
});

describe('tiles', () => {
  test('have the names of the specification', () => {
    expect(tilePath({ level: 0, number: 1_234_067, width: 256 })).toBe('0/x001/x234/067');
    expect(tilePath({ level: 3, number: 5, width: 17 })).toBe('3/005.p/17');
    expect(tilePath({ level: 'entries', number: 999, width: 255 })).toBe('entries/999.p/255');
    for (const level of [0, 9, 10, 63, 'entries'] as const) {
      for (const number of [0, 999, 1_000, 999_999, 1_000_000, 35_184_372_088_831]) {
        for (const width of [1, 255, 256]) {
          const name = { level, number, width };
          expect(parseTilePath(tilePath(name))).toEqual(name);
        }
      }
    }
  });

  test('have no other names', () => {
    const bad = ['', '0', '0/', '0/1', '0/x000/001', '64/000', '00/000', '0/001.p/0', '0/001.p/256', '0/001.p/01'];
    for (const each of [
      ...bad,
      '0/x001',
      '../000',
      '0/000/',
      'entries/x01/000',
      '-1/000',
      '0/001.p/',
      '0/x001/000/000',
    ]) {
      expect(parseTilePath(each), each).toBeUndefined();
    }
  });

  test('of a tree of 70,000 are those that the specification counts', () => {
    expect([272, 273, 274].map((number) => widthOfTile(0, number, 70_000))).toEqual([256, 112, 0]);
    expect([0, 1, 2].map((number) => widthOfTile(1, number, 70_000))).toEqual([256, 17, 0]);
    expect([0, 1].map((number) => widthOfTile(2, number, 70_000))).toEqual([1, 0]);
    expect([widthOfTile(0, 0, 256), widthOfTile(1, 0, 256)]).toEqual([256, 1]);
  });

  test('give the same proofs as the leaves do', async () => {
    const size = 700;
    const entries = entriesOf(size);
    const nodes = new Map<string, Uint8Array>();
    const frontier = new Frontier();
    for (const entry of entries) {
      frontier.append(leafOf(entry), ({ level, index }, hash) => void nodes.set(`${level}/${index}`, hash));
    }
    const reads: string[] = [];
    const read = tileHashReader(async (level, number, width) => {
      reads.push(`${level}/${number}`);
      const hashes = Array.from({ length: width }, (_, at) => nodes.get(`${level * 8}/${number * 256 + at}`));
      return Buffer.concat(hashes as Uint8Array[]);
    });
    for (const index of [0, 255, 256, 511, 512, 699]) {
      reads.length = 0;
      const proof = await inclusionProof(index, size, read);
      expect(new Set(reads).size).toBe(reads.length);
      const claim = { index, size, leafHash: leafOf(entries[index] as Uint8Array), proof, root: frontier.root() };
      expect(verifyInclusion(claim)).toBe(true);
    }
    for (const from of [1, 255, 256, 257, 512, 699]) {
      const fromRoot = mth(entries.slice(0, from));
      const proof = await consistencyProof(from, size, read);
      expect(verifyConsistency({ from, to: size, fromRoot, toRoot: frontier.root(), proof })).toBe(true);
    }
    const short = tileHashReader(async () => new Uint8Array(32));
    await expect(inclusionProof(0, size, short)).rejects.toMatchObject({ code: 'integrity' });
    await expect(inclusionProof(size, size, read)).rejects.toThrow(RangeError);
    await expect(consistencyProof(2, 1, read)).rejects.toThrow(RangeError);
  });

  test('bundles hold entries of 0 to 65,535 bytes and nothing else', () => {
    const entries = [0, 1, 65_534, 65_535].map((length) => new Uint8Array(length).fill(7));
    const bundle = encodeBundle(entries);
    expect(parseBundle(bundle)).toEqual(entries);
    expect([...encodeBundle([Uint8Array.of(9)])]).toEqual([0, 1, 9]);
    expect(() => encodeBundle([new Uint8Array(65_536)])).toThrow(RangeError);
    expect(() => parseBundle(bundle.subarray(0, -1))).toThrow('no entry bundle');
    expect(() => parseBundle(Uint8Array.of(0))).toThrow('no entry bundle');
    expect(() => parseBundle(new Uint8Array(2 * 257))).toThrow('no entry bundle');
    expect(parseBundle(new Uint8Array(2 * 256))).toHaveLength(256);
  });
});
