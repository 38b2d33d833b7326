import { type ErrorCode, RonError } from '@ron/proto/errors';
import type { ChainRefusal } from '@ron/signed';

/** Every word that `details.reason` may hold: the label of `registry_refused_total`. */
export type Refusal =
  | ChainRefusal
  /** The head moved: propose again on what is there now. */
  | 'stale'
  /** No such proposal, or its 24 h are over. */
  | 'closed'
  | 'unknown_signer'
  | 'bad_signature'
  | 'too_many'
  /** Nothing was published yet. */
  | 'empty';

export function refusal(code: ErrorCode, reason: Refusal, message: string): RonError {
  return new RonError(code, message, { details: { reason } });
}

export const noHead = (): RonError => refusal('not_found', 'empty', 'the registry has no snapshot yet');
export const stale = (): RonError => refusal('conflict', 'stale', 'the head has moved: propose again');
export const closed = (): RonError => refusal('not_found', 'closed', 'no such open proposal');
