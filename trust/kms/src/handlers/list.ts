import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { kmsContract } from '@ron/proto/kms';
import { keyEntry } from '../key-entry.ts';
import type { Kms } from '../kms.ts';

const limitDefault = 100;

/** Keys are never forgotten and keep their order, so the last one of a page is where the next begins. */
export function createList(kms: Kms): Handlers<typeof kmsContract>['list'] {
  return ({ tenant, purpose, cursor, limit = limitDefault }, { context }) => {
    const { generation } = kms;
    if (context.tenant !== '' && tenant !== undefined && tenant !== context.tenant) return { keys: [], generation };
    const visible = context.tenant === '' ? tenant : context.tenant;
    const filter = {
      ...(visible === undefined ? {} : { tenant: visible }),
      ...(purpose === undefined ? {} : { purpose }),
    };
    const all = kms.listKeys(filter);
    const start = cursor === undefined ? 0 : positionAfter(cursor, all);
    const page = all.slice(start, start + limit);
    const keys = page.map((info) => keyEntry(info, kms.destruction(info.kid)));
    if (start + limit >= all.length) return { keys, generation };
    return { keys, generation, cursor: Buffer.from(page.at(-1)!.kid).toString('base64url') };
  };
}

function positionAfter(cursor: string, all: readonly { readonly kid: string }[]): number {
  const kid = Buffer.from(cursor, 'base64url').toString();
  const at = all.findIndex((info) => info.kid === kid);
  if (at !== -1) return at + 1;
  throw new RonError('bad_request', 'the cursor is not one of this listing', { details: { field: 'cursor' } });
}
