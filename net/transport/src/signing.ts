import type { NodeId } from '@ron/proto/network';

/** The node's own key, which stays where it is. Signatures are Ed25519 (RFC 8032), 64 bytes. */
export interface NodeSigner {
  readonly id: NodeId;
  /** 32 bytes; `id` is their BLAKE3. */
  readonly publicKey: Uint8Array;
  sign(statement: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** Ed25519. False for what is no signature, and never throws. */
export type VerifySignature = (publicKey: Uint8Array, statement: Uint8Array, signature: Uint8Array) => boolean;
