import { coverOf, foldRight, type TreeNode, treeSizeMax } from './frontier.ts';
import { sameHash, type TreeHasher, treeHasher } from './tree-hash.ts';

/** Hashes of perfect subtrees, in the order asked for. Rejects when one is not to be had. */
export type HashReader = (nodes: readonly TreeNode[]) => Promise<readonly Uint8Array[]>;

/** Leaves [start, end) as one node of the tree. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** The largest power of two below `leaves`, for at least 2. */
function splitOf(leaves: number): number {
  let split = 1;
  while (split * 2 < leaves) split *= 2;
  return split;
}

/** Siblings on the way from leaf `index` to the root of the tree of `size`, lowest first (RFC 6962, 2.1.1). */
function inclusionSpans(index: number, size: number): Span[] {
  const spans: Span[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      spans.push({ start: middle, end });
      end = middle;
    } else {
      spans.push({ start, end: middle });
      start = middle;
    }
  }
  return spans.reverse();
}

/** The nodes of PROOF(from, D[to]) of RFC 6962, 2.1.2. */
function consistencySpans(from: number, to: number): Span[] {
  const spans: Span[] = [];
  let start = 0;
  let end = to;
  // While the old tree is the left part of what is looked at, its root is known to whoever checks.
  let whole = true;
  while (from !== end) {
    const middle = start + splitOf(end - start);
    if (from <= middle) {
      spans.push({ start: middle, end });
      end = middle;
    } else {
      spans.push({ start, end: middle });
      start = middle;
      whole = false;
    }
  }
  if (!whole) spans.push({ start, end });
  return spans.reverse();
}

async function readSpans(spans: readonly Span[], read: HashReader, hasher: TreeHasher): Promise<Uint8Array[]> {
  const covers = spans.map(({ start, end }) => coverOf(start, end));
  const hashes = await read(covers.flat());
  let at = 0;
  return covers.map((cover) => {
    at += cover.length;
    return foldRight(hashes.slice(at - cover.length, at), hasher);
  });
}

/** Lowest sibling first. Throws a `RangeError` unless 0 ≤ index < size. */
export async function inclusionProof(
  index: number,
  size: number,
  read: HashReader,
  hasher: TreeHasher = treeHasher,
): Promise<readonly Uint8Array[]> {
  if (!isSize(size) || !isSize(index) || index >= size) throw new RangeError('the entry is not in that tree');
  return readSpans(inclusionSpans(index, size), read, hasher);
}

/** Empty from 0, and to the same size. Throws a `RangeError` unless 0 ≤ from ≤ to. */
export async function consistencyProof(
  from: number,
  to: number,
  read: HashReader,
  hasher: TreeHasher = treeHasher,
): Promise<readonly Uint8Array[]> {
  if (!isSize(from) || !isSize(to) || from > to) throw new RangeError('a tree is consistent with later ones only');
  return from === 0 ? [] : readSpans(consistencySpans(from, to), read, hasher);
}

export async function treeRoot(size: number, read: HashReader, hasher: TreeHasher = treeHasher): Promise<Uint8Array> {
  return foldRight(await read(coverOf(0, size)), hasher);
}

export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** RFC 9162, 2.1.3.2. False for anything that does not fit, never throws. */
export function verifyInclusion(claim: InclusionClaim, hasher: TreeHasher = treeHasher): boolean {
  const { index, size, leafHash, proof, root } = claim;
  if (!isSize(size) || !isSize(index) || index >= size || !areHashes([leafHash, root, ...proof])) return false;
  let position = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      hash = hasher.node(sibling, hash);
      while (position % 2 === 0 && position !== 0) [position, last] = [half(position), half(last)];
    } else {
      hash = hasher.node(hash, sibling);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && sameHash(hash, root);
}

export interface ConsistencyClaim {
  readonly from: number;
  readonly to: number;
  readonly fromRoot: Uint8Array;
  readonly toRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162, 2.1.4.2; the empty tree is the beginning of every tree. False for anything that does not fit, never throws. */
export function verifyConsistency(claim: ConsistencyClaim, hasher: TreeHasher = treeHasher): boolean {
  const { from, to, fromRoot, toRoot, proof } = claim;
  if (!isSize(from) || !isSize(to) || from > to || !areHashes([fromRoot, toRoot, ...proof])) return false;
  if (from === 0 && !sameHash(fromRoot, hasher.emptyRoot)) return false;
  if (from === to) return proof.length === 0 && sameHash(fromRoot, toRoot);
  if (from === 0) return proof.length === 0;
  let position = from - 1;
  let last = to - 1;
  while (position % 2 === 1) [position, last] = [half(position), half(last)];
  // A perfect old tree is itself the first node.
  const nodes = position === 0 ? [fromRoot, ...proof] : proof;
  const first = nodes[0];
  if (first === undefined) return false;
  let old = first;
  let now = first;
  for (const node of nodes.slice(1)) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      old = hasher.node(node, old);
      now = hasher.node(node, now);
      while (position % 2 === 0 && position !== 0) [position, last] = [half(position), half(last)];
    } else {
      now = hasher.node(now, node);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && sameHash(old, fromRoot) && sameHash(now, toRoot);
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= treeSizeMax;
}

function areHashes(values: readonly Uint8Array[]): boolean {
  return values.every((value) => value.byteLength === 32);
}
