export type KeystoreRefusal =
  /** The identity file or passphrase is well-formed but does not open the keystore. */
  | 'wrong_identity'
  | 'identity_malformed'
  /** There is a keystore but nothing to open it with. */
  | 'identity_missing'
  /** Truncated, altered, not an age file, or not our format inside. */
  | 'damaged'
  /** The file is older than the one that was written last, or another one. */
  | 'rolled_back'
  /** Group or others can read the keystore or the identity. */
  | 'wrong_mode'
  /** Restoring would replace a keystore. */
  | 'exists'
  /** Another live process holds the folder. */
  | 'locked'
  /** A write failed earlier: what is on disk is uncertain until the keystore is opened again. */
  | 'read_only';

/** A keystore that cannot be opened or written. For the operator at start, not for callers; holds no key material. */
export class KeystoreError extends Error {
  override readonly name = 'KeystoreError';
  readonly reason: KeystoreRefusal;

  constructor(reason: KeystoreRefusal, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.reason = reason;
  }
}
