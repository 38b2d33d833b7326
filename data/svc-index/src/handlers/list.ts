import type { Clock } from '@ron/kernel';
import type { Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import { decodeNameCursor, encodeCursor } from '../cursor.ts';
import type { NameEngine } from '../engine.ts';
import { isLive, type NameRecord } from '../record.ts';

const limitDefault = 100;

/** Names read for one page at most: a stretch of removed ones must not hold up everybody else. */
const scannedMax = 4_000;

/**
 * A page may be shorter than asked, even empty, when many names in its stretch were removed or have expired; only a
 * missing cursor means the end.
 */
export function createList(engine: NameEngine, clock: Clock): Handlers<typeof indexContract>['list'] {
  return async ({ prefix = '', cursor, limit = limitDefault }) => {
    const nowMs = clock.wallMs();
    const names: NameRecord[] = [];
    let after = decodeNameCursor(cursor);
    for (let scanned = 0; scanned < scannedMax; ) {
      const wanted = limit - names.length;
      const heads = await engine.list(prefix, after, wanted);
      for (const head of heads) if (isLive(head, nowMs)) names.push(head.record);
      if (heads.length < wanted) return { names };
      scanned += heads.length;
      after = heads.at(-1)!.record.name;
      if (names.length === limit) break;
    }
    return { names, cursor: encodeCursor(after!) };
  };
}
