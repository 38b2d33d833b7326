import { RonError } from '@ron/proto/errors';
import { passportLimits } from '@ron/proto/passport';
import type { PassportStore } from '../store/passport-store.ts';
import { type SubjectRecord, subjectPrefix } from '../store/records.ts';
import type { PassportHandler } from './handler.ts';

export function createList(store: PassportStore): PassportHandler<'list'> {
  return ({ cursor, limit = passportLimits.pageMax }, { context }) => {
    const after = cursor === undefined ? '' : decodeCursor(cursor);
    const page = firstAfter(store, after, context.tenant, limit + 1);
    const subjects = page.slice(0, limit).map(([, { profile }]) => profile);
    const last = page[limit - 1];
    return page.length <= limit || last === undefined ? { subjects } : { subjects, cursor: encodeCursor(last[0]) };
  };
}

/** The smallest keys after one, without sorting all of them. */
function firstAfter(
  store: PassportStore,
  after: string,
  tenant: string,
  count: number,
): (readonly [string, SubjectRecord])[] {
  const page: (readonly [string, SubjectRecord])[] = [];
  for (const entry of store.subjects()) {
    const [key, { profile }] = entry;
    if (key <= after || (tenant !== '' && profile.tenant !== tenant)) continue;
    if (page.length === count && key > page[count - 1]![0]) continue;
    const at = page.findIndex(([other]) => other > key);
    page.splice(at < 0 ? page.length : at, 0, entry);
    if (page.length > count) page.pop();
  }
  return page;
}

function encodeCursor(key: string): string {
  return Buffer.from(key.slice(subjectPrefix.length)).toString('base64url');
}

function decodeCursor(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (encodeCursor(subjectPrefix + text) === cursor && text.startsWith('["')) return subjectPrefix + text;
  throw new RonError('bad_request', 'the cursor is not one of this operation', { details: { field: 'cursor' } });
}
