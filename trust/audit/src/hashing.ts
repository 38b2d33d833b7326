import { hash } from 'node:crypto';
import { verifyRaw } from '@ron/kms';
import { createTreeHasher, type Ed25519Verify, type TreeHasher } from '@ron/tlog';

/** The tree's SHA-256 by OpenSSL. */
export const treeHasher: TreeHasher = createTreeHasher((bytes) => new Uint8Array(hash('sha256', bytes, 'buffer')));

/** Ed25519 by OpenSSL; false for whatever is no key or signature. */
export const verifyEd25519 = ((publicKey, message, signature) =>
  verifyRaw('ed25519', publicKey, message, signature)) satisfies Ed25519Verify;
