import { type TreeHasher, treeHasher } from './tree-hash.ts';

/** Largest tree: sizes and indexes are exact integers of a double. */
export const treeSizeMax = Number.MAX_SAFE_INTEGER;

/** The perfect subtree of 2^level leaves whose first leaf is `index` · 2^level. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/**
 * The right edge of a growing tree: the roots of the perfect subtrees that its size is made of, at most 53 hashes.
 * Enough to append and to know the root.
 */
export class Frontier {
  readonly #hasher: TreeHasher;
  /** Left to right, levels strictly falling. */
  readonly #edge: { readonly level: number; readonly hash: Uint8Array }[] = [];
  #size = 0;

  constructor(hasher: TreeHasher = treeHasher) {
    this.#hasher = hasher;
  }

  get size(): number {
    return this.#size;
  }

  /** One more leaf. `onNode` is told of each perfect subtree that it completes, the leaf itself first. */
  append(leafHash: Uint8Array, onNode?: (node: TreeNode, hash: Uint8Array) => void): void {
    this.appendSubtree(0, leafHash, onNode);
  }

  /**
   * A whole perfect subtree of 2^level leaves at once. Throws a `RangeError` where the size is no multiple of that,
   * and past `treeSizeMax`.
   */
  appendSubtree(level: number, root: Uint8Array, onNode?: (node: TreeNode, hash: Uint8Array) => void): void {
    const leaves = 2 ** level;
    if (!Number.isInteger(level) || level < 0 || this.#size % leaves !== 0 || this.#size + leaves > treeSizeMax) {
      throw new RangeError('a subtree of that level has no place here');
    }
    this.#size += leaves;
    let hash = root;
    let at = level;
    onNode?.({ level: at, index: this.#size / leaves - 1 }, hash);
    while (this.#edge.at(-1)?.level === at) {
      const left = this.#edge.pop() as { readonly hash: Uint8Array };
      hash = this.#hasher.node(left.hash, hash);
      at += 1;
      onNode?.({ level: at, index: this.#size / 2 ** at - 1 }, hash);
    }
    this.#edge.push({ level: at, hash });
  }

  root(): Uint8Array {
    return foldRight(
      this.#edge.map(({ hash }) => hash),
      this.#hasher,
    );
  }
}

/** The root over perfect subtrees of falling levels, left to right. */
export function foldRight(hashes: readonly Uint8Array[], hasher: TreeHasher): Uint8Array {
  let root = hashes.at(-1);
  if (root === undefined) return hasher.emptyRoot;
  for (let at = hashes.length - 2; at >= 0; at -= 1) root = hasher.node(hashes[at] as Uint8Array, root);
  return root;
}

/** The fewest perfect subtrees that cover leaves [start, end), left to right. */
export function coverOf(start: number, end: number): readonly TreeNode[] {
  const nodes: TreeNode[] = [];
  let at = start;
  while (at < end) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level += 1;
    nodes.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return nodes;
}
