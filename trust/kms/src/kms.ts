import type { KeyAlgorithm } from './key-id.ts';

/**
 * Keys that do work and never leave: callers name a key by its id and get signatures, tags and public halves.
 *
 * An unknown or unsuitable key id is refused with `not_found`, so nobody learns which of the two it was. Everything
 * but `createKey` and `sign` is synchronous: the engines of today hold their keys in memory. `sign` may answer with a
 * promise, because an engine on another machine will.
 */
export interface Kms extends AsyncDisposable {
  /**
   * Makes a key. It is as durable as the engine says (`durability`) before the promise resolves; when it rejects,
   * nothing has changed. At most 10,000 keys: `insufficient_storage` past that.
   */
  createKey(request: KeyRequest): Promise<KeyInfo>;
  /** Every key that matches, oldest first. */
  listKeys(filter?: KeyFilter): readonly KeyInfo[];
  /** 64 bytes, Ed25519 (RFC 8032) over `bytes` themselves. */
  sign(kid: string, bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** False for a wrong signature, a wrong length and a key that signs nothing; never throws. */
  verify(kid: string, bytes: Uint8Array, signature: Uint8Array): boolean;
  /** The 32 raw bytes of an Ed25519 public key. */
  publicKey(kid: string): Uint8Array;
  /** 32 bytes, HMAC with the 512-bit hash truncated to 256 (docs/decisions/0001-capability-mac.md). */
  mac(kid: string, bytes: Uint8Array): Uint8Array;
  /** `memory`: gone with the process. `fsync`: on stable storage when `createKey` resolves. */
  readonly durability: 'memory' | 'fsync';
}

export interface KeyRequest {
  /** 1–64 of `[A-Za-z0-9_-]`: a ULID, a UUID, or `node` for the node's own keys. */
  readonly tenant: string;
  /** What the key may be used for, 1–32 of `[a-z0-9-]`: `capability`, `names` … */
  readonly purpose: string;
  readonly alg: KeyAlgorithm;
}

export interface KeyInfo {
  readonly kid: string;
  readonly tenant: string;
  readonly purpose: string;
  readonly alg: KeyAlgorithm;
  readonly version: number;
  /** Milliseconds since the Unix epoch. */
  readonly createdAtMs: number;
}

export type KeyFilter = Partial<KeyRequest>;

/** Keys in one keystore: what one sealed file of at most 4 MiB holds with room to spare. */
export const keysMax = 10_000;
