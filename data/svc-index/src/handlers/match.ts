import { isName, nameLabelsMax, parseName } from '@ron/naming';
import type { Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import { findElsewhere, type NamesElsewhere } from '../elsewhere.ts';
import { farResolution, type Lookup, noSuchName } from '../lookup.ts';
import type { Resolution } from '../record.ts';

export function createMatch(lookup: Lookup, elsewhere?: NamesElsewhere): Handlers<typeof indexContract>['match'] {
  return async ({ path }, call) => {
    const here = await matchHere(lookup, path);
    if (here !== undefined) return here;
    const far = await findElsewhere(elsewhere, path, { whole: false, fresh: false }, call);
    if (far === undefined) throw noSuchName();
    return { record: farResolution(far.record, far.ageMs), rest: far.rest };
  };
}

/** The longest name first, so at most 16 lookups; each is of a memory hit or a remembered miss when the site is in use. */
export async function matchHere(
  lookup: Lookup,
  path: string,
): Promise<{ record: Resolution; rest: string } | undefined> {
  const labels = path.split('/');
  parseName(labels[0]!);
  for (let count = Math.min(labels.length, nameLabelsMax); count > 0; count -= 1) {
    const name = labels.slice(0, count).join('/');
    // What follows the name is a path in a bundle, with a wider grammar.
    if (!isName(name)) continue;
    const record = await lookup.find(name, false);
    if (record !== undefined) return { record, rest: labels.slice(count).join('/') };
  }
  return undefined;
}
