import { parseName } from '@ron/naming';
import type { Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import { decodeVersionCursor, encodeCursor } from '../cursor.ts';
import type { NameEngine } from '../engine.ts';
import { noSuchName } from '../lookup.ts';

const limitDefault = 100;

/** Also of a removed or expired name: its history is how it is brought back. */
export function createHistory(engine: NameEngine): Handlers<typeof indexContract>['history'] {
  return async ({ name, cursor, limit = limitDefault }) => {
    parseName(name);
    const below = decodeVersionCursor(cursor) ?? Number.MAX_SAFE_INTEGER;
    const records = await engine.history(name, below, limit + 1);
    if (records.length === 0 && (await engine.head(name)) === undefined) throw noSuchName();
    if (records.length <= limit) return { records: [...records] };
    const page = records.slice(0, limit);
    return { records: page, cursor: encodeCursor(page.at(-1)!.version) };
  };
}
