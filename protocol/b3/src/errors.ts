/**
 * What did not hold:
 * `malformed` a length header or an outboard of an impossible size; `size` a header that differs from the size the
 * caller knows; `parent` an interior node and `group` content that do not hash to what the root demands;
 * `truncated` fewer bytes than needed; `trailing` more.
 */
export type VerificationReason = 'malformed' | 'size' | 'parent' | 'group' | 'truncated' | 'trailing';

/**
 * Bytes that do not belong to the address. The sender is faulty or lying; nothing of what failed was handed out.
 * Wrong arguments of the caller are `RangeError` instead.
 */
export class VerificationError extends Error {
  override readonly name = 'VerificationError';
  readonly reason: VerificationReason;
  /** The first group that cannot be trusted; undefined when the failure is about the whole. */
  readonly groupIndex: number | undefined;

  constructor(reason: VerificationReason, message: string, groupIndex?: number) {
    super(message);
    this.reason = reason;
    this.groupIndex = groupIndex;
  }
}
