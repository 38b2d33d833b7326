import { parseName } from '@ron/naming';
import type { CallContext } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { BoxKey } from '../state/command.ts';

/** The caller's own box of that name. Throws `bad_request` for what is not one label of the grammar of names. */
export function boxKeyOf(box: string, { tenant }: CallContext): BoxKey {
  parseName(box);
  if (box.includes('/')) throw refusal('box', 'a box has a name of one label, without "/"');
  return { tenant, box };
}

export function refusal(field: string, message: string): RonError {
  return new RonError('bad_request', message, { details: { field } });
}
