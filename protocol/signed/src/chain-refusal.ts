import { type ErrorCode, RonError } from '@ron/proto/errors';

/** Why a snapshot is not taken, with the code that a caller gets. */
const codes = {
  /** Not a snapshot, or one that contradicts itself. */
  malformed: 'bad_request',
  too_large: 'payload_too_large',
  unsigned: 'forbidden',
  /** Older than what is held. */
  rollback: 'conflict',
  /** Another document at a version that is held, or one that follows another document. */
  fork: 'conflict',
  /** Versions between are missing, more than anybody keeps. */
  gap: 'conflict',
  expired: 'forbidden',
  /** Too few signatures of the signers in force hold. */
  under_signed: 'forbidden',
  /** There would be enough, with those of a revoked signer. */
  revoked_signer: 'forbidden',
  /** A revocation of the snapshot before is missing. */
  unrevoked: 'forbidden',
  /** A name has other keys than before: a new key needs a new name. */
  signer_changed: 'forbidden',
  /** The first snapshot is not the one that was pinned. */
  untrusted: 'forbidden',
} as const satisfies Record<string, ErrorCode>;

export type ChainRefusal = keyof typeof codes;

/** The refusal, with `details.reason` for audit log and metric. */
export function refuseSnapshot(reason: ChainRefusal, message: string, code: ErrorCode = codes[reason]): RonError {
  return new RonError(code, message, { details: { reason } });
}
