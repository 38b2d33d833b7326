import type { Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import { decodePairCursor, encodeCursor } from '../cursor.ts';
import type { NameEngine } from '../engine.ts';

const pageMax = 1_000;

/**
 * Removed and expired names count: their history can be brought back. A version that is made behind the cursor while
 * the walk runs is not seen; who collects garbage fences new objects by their age.
 */
export function createRoots(engine: NameEngine): Handlers<typeof indexContract>['roots'] {
  return async ({ cursor }) => {
    const records = await engine.versions(decodePairCursor(cursor), pageMax);
    const roots = records.map(({ name, address }) => ({ name, address }));
    const last = records.at(-1);
    if (last === undefined || records.length < pageMax) return { roots };
    return { roots, cursor: encodeCursor([last.name, last.version]) };
  };
}
