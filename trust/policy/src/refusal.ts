import { RonError } from '@ron/proto/errors';

/** Why a document is not put into force; each is a word for auditors in `details.reason`. */
export type Refusal =
  | 'unsigned'
  | 'under_signed'
  | 'no_root'
  | 'older'
  | 'fork'
  | 'expired'
  | 'not_yet'
  | 'widens'
  | 'too_many';

const codes = {
  unsigned: 'forbidden',
  under_signed: 'forbidden',
  no_root: 'conflict',
  older: 'conflict',
  fork: 'conflict',
  expired: 'conflict',
  not_yet: 'conflict',
  widens: 'conflict',
  too_many: 'quota_exhausted',
} as const satisfies Record<Refusal, string>;

export function refusal(reason: Refusal, message: string, details: Readonly<Record<string, unknown>> = {}): RonError {
  return new RonError(codes[reason], message, { details: { ...details, reason } });
}
