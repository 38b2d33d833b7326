import type { KeyAlgorithm } from './key-id.ts';
import type { Secret } from './secret.ts';

/**
 * Keys that do work and never leave: callers name a key by its id and get signatures, tags and public halves.
 *
 * An unknown or unsuitable key id is refused with `not_found`, so nobody learns which of the two it was; so is a retired
 * or destroyed one. A version that only verifies is refused with `conflict` by what makes something new. What `sign`,
 * `wrap` and the like answer may be a promise, because an engine on another machine will; the rest is synchronous.
 */
export interface Kms extends AsyncDisposable {
  /**
   * Makes a key. It is as durable as the engine says (`durability`) before the promise resolves; when it rejects,
   * nothing has changed. At most 10,000 versions and tombstones, and 100 more for the node's own keys:
   * `insufficient_storage` past that.
   */
  createKey(request: KeyRequest, options?: ChangeOptions): Promise<KeyInfo>;
  /**
   * A new version of the same key: same uuid, version + 1, `active`. The one before becomes `verifying`, so nothing that
   * it signed, tagged or wrapped fails. `conflict` when `kid` is not the active version: somebody rotated it before.
   */
  rotateKey(kid: string, options?: ChangeOptions): Promise<KeyInfo>;
  /** The version does nothing any more and stays listed; there is no way back. `conflict` for the active version without `evenActive`. */
  retireKey(kid: string, options?: EndOptions): Promise<KeyInfo>;
  /**
   * Crypto-shredding: the secret leaves the keystore, and a tombstone with a signed statement stays. Whatever only this
   * version could open is gone; copies of older keystore files and backups still hold it until they are destroyed too.
   * `conflict` for the active version without `evenActive`. Destroying twice answers the same statement.
   */
  destroyKey(kid: string, options?: EndOptions): Promise<Destruction>;
  /** Of a destroyed version; undefined for any other. */
  destruction(kid: string): Destruction | undefined;

  /** Every version that matches, oldest first. */
  listKeys(filter?: KeyFilter): readonly KeyInfo[];
  /** The newest active one that matches. */
  currentKey(filter: KeyFilter): KeyInfo | undefined;

  /** Over `bytes` themselves: Ed25519 (RFC 8032) 64 bytes; ML-DSA-65 (FIPS 204, hedged, empty context) 3,309 bytes. */
  sign(kid: string, bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** False for a wrong signature, a wrong length and a key that signs nothing or is retired; never throws. */
  verify(kid: string, bytes: Uint8Array, signature: Uint8Array): boolean;
  /** Raw: 32 bytes of Ed25519, 1,952 of ML-DSA-65. Also of a retired version, whose old statements outsiders check. */
  publicKey(kid: string): Uint8Array;
  /** 32 bytes, HMAC with the 512-bit hash truncated to 256 (docs/decisions/0001-capability-mac.md). Of a `verifying` version too: whoever checks a tag makes it again. */
  mac(kid: string, bytes: Uint8Array): Uint8Array;
  /** Compares in constant time. False for a wrong tag, length or key; never throws. */
  verifyMac(kid: string, bytes: Uint8Array, tag: Uint8Array): boolean;
  /**
   * 1–64 bytes from an `hmac` key by HKDF (RFC 5869) over the 512-bit hash, with a salt of its own: no tag that `mac`
   * makes tells anything about them. The same version and `info` (at most 1,024 bytes) give the same bytes.
   */
  derive(kid: string, info: Uint8Array, lengthBytes: number): Secret;

  /**
   * Seals at most 4 KiB under an `aes-256-gcm` key: a version byte (1), the key's version (4 bytes, big-endian), a
   * random 12-byte nonce, the ciphertext, a 16-byte tag; 33 bytes more than the plaintext. `aad` (at most 4 KiB) and the
   * key id are authenticated. Random nonces are good for 2^32 wraps of one version (NIST SP 800-38D, 8.3): rotate before.
   */
  wrap(kid: string, plaintext: Uint8Array, aad: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Takes a key id of any version, or the uuid alone: the bytes say which version opens them. `bad_request` for bytes or `aad` that do not match. */
  unwrap(kidOrUuid: string, wrapped: Uint8Array, aad: Uint8Array): Secret | Promise<Secret>;
  /** 32 random bytes and the same wrapped: keep the wrapped ones, dispose the plaintext after use. */
  generateDataKey(kid: string, aad: Uint8Array): DataKey | Promise<DataKey>;
  /**
   * Moves at most 1,000 wrapped values to the active version of the key. Each item succeeds or fails alone, and one that
   * is there already comes back unchanged: a batch may be repeated. The kms keeps no ciphertext; `rewrapAll` walks those
   * of the caller.
   */
  rewrap(kidOrUuid: string, items: readonly RewrapItem[]): RewrapReport | Promise<RewrapReport>;

  /** Grows by one with each change. */
  readonly generation: number;
  /** Why it takes no more changes, for people; undefined or absent while it does. */
  readonly failure?: string | undefined;
  /** `memory`: gone with the process. `fsync`: on stable storage when a change resolves. */
  readonly durability: 'memory' | 'fsync';
}

export interface KeyRequest {
  /** 1–64 of `[A-Za-z0-9_-]`: a ULID, a UUID, or `node` for the node's own keys. */
  readonly tenant: string;
  /** What the key may be used for, 1–32 of `[a-z0-9-]`: `capability`, `names` … */
  readonly purpose: string;
  readonly alg: KeyAlgorithm;
}

/**
 * `active`: everything. `verifying`: verifies, tags and unwraps, makes no signature and wraps nothing. `retired`: is
 * listed. `destroyed`: is listed, and its secret is gone.
 */
export type KeyState = 'active' | 'verifying' | 'retired' | 'destroyed';

export interface KeyInfo {
  readonly kid: string;
  readonly tenant: string;
  readonly purpose: string;
  readonly alg: KeyAlgorithm;
  readonly version: number;
  readonly state: KeyState;
  /** Milliseconds since the Unix epoch. */
  readonly createdAtMs: number;
}

export type KeyFilter = Partial<KeyRequest> & { readonly state?: KeyState };

export interface ChangeOptions {
  /**
   * 8–64 of `[A-Za-z0-9_-]`, per tenant of the key. The same one with the same request answers as it did before, also
   * after a restart of a durable engine; with another request: `conflict`. The newest 1,000 are remembered.
   */
  readonly opId?: string;
}

export interface EndOptions extends ChangeOptions {
  /** The active version too: from then on nothing is signed or wrapped with this key. */
  readonly evenActive?: boolean;
}

/** That a secret is gone, signed by a node key of purpose `kms-proof`. `destructionStatement` gives the signed bytes. */
export interface Destruction {
  readonly kid: string;
  /** `b3:` and BLAKE3 of the public half, or of a key-check value where there is none. */
  readonly fingerprint: string;
  /** Milliseconds since the Unix epoch. */
  readonly destroyedAtMs: number;
  /** Of the keystore, from which on the secret is not in it. */
  readonly generation: number;
  /** Key id of the signer. */
  readonly signer: string;
  /** Ed25519, base64url. */
  readonly signature: string;
}

export interface DataKey {
  readonly plaintext: Secret;
  readonly wrapped: Uint8Array;
}

export interface RewrapItem {
  readonly wrapped: Uint8Array;
  readonly aad: Uint8Array;
}

/** `failed`: these bytes do not open with this key and `aad`; they are left as they are. */
export type RewrapResult =
  | { readonly outcome: 'done' | 'unchanged'; readonly wrapped: Uint8Array }
  | { readonly outcome: 'failed' };

export interface RewrapReport {
  /** What the items are wrapped with now. */
  readonly kid: string;
  /** In the order of the items. */
  readonly results: readonly RewrapResult[];
  readonly done: number;
  readonly unchanged: number;
  readonly failed: number;
}

/** Limits of one call; each has tests at −1, 0 and +1. */
export const kmsLimits = {
  /** Versions and tombstones in one keystore. */
  keysMax: 10_000,
  plaintextBytesMax: 4_096,
  aadBytesMax: 4_096,
  infoBytesMax: 1_024,
  derivedBytesMax: 64,
  rewrapItemsMax: 1_000,
  /** Operation ids remembered. */
  operationsMax: 1_000,
} as const;

/** Versions and tombstones in one keystore: what one sealed file holds with room to spare. */
export const keysMax = kmsLimits.keysMax;
