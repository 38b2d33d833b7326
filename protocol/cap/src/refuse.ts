import { RonError } from '@ron/proto/errors';

/** The one way this package says no: `bad_request`, with the rule's id in `details.rule` for programs and vectors. */
export function refuse(rule: string, message: string): never {
  throw new RonError('bad_request', message, { details: { rule } });
}
