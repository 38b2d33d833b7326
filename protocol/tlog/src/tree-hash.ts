import { sha256 as pureSha256 } from '@noble/hashes/sha2.js';

/** 32 bytes of SHA-256, the only hash of a tlog tree. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const hashBytes = 32;

/** Merkle tree hashing of RFC 6962, section 2.1: leaves and nodes are told apart by their first byte. */
export interface TreeHasher {
  leaf(entry: Uint8Array): Uint8Array;
  node(left: Uint8Array, right: Uint8Array): Uint8Array;
  /** The root of the tree without entries. */
  readonly emptyRoot: Uint8Array;
}

/** With a native SHA-256 where there is one; the default is portable and a few times slower. */
export function createTreeHasher(sha256: Sha256 = pureSha256): TreeHasher {
  const pair = new Uint8Array(1 + 2 * hashBytes);
  pair[0] = 1;
  return {
    leaf(entry) {
      const prefixed = new Uint8Array(1 + entry.byteLength);
      prefixed.set(entry, 1);
      return sha256(prefixed);
    },
    node(left, right) {
      if (left.byteLength !== hashBytes || right.byteLength !== hashBytes) throw new RangeError('a hash has 32 bytes');
      pair.set(left, 1);
      pair.set(right, 1 + hashBytes);
      return sha256(pair);
    },
    emptyRoot: sha256(new Uint8Array(0)),
  };
}

export const treeHasher: TreeHasher = createTreeHasher();

export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);
}
