import { isName, nameLabelsMax, parseName } from '@ron/naming';
import type { Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import { findElsewhere, type NamesElsewhere } from '../elsewhere.ts';
import { farResolution, type Lookup, noSuchName } from '../lookup.ts';

/** The longest name first, so at most 16 lookups; each is of a memory hit or a remembered miss when the site is in use. */
export function createMatch(lookup: Lookup, elsewhere?: NamesElsewhere): Handlers<typeof indexContract>['match'] {
  return async ({ path }, call) => {
    const labels = path.split('/');
    parseName(labels[0]!);
    for (let count = Math.min(labels.length, nameLabelsMax); count > 0; count -= 1) {
      const name = labels.slice(0, count).join('/');
      // What follows the name is a path in a bundle, with a wider grammar.
      if (!isName(name)) continue;
      const record = await lookup.find(name, false);
      if (record !== undefined) return { record, rest: labels.slice(count).join('/') };
    }
    const far = await findElsewhere(elsewhere, path, false, call);
    if (far === undefined) throw noSuchName();
    return { record: farResolution(far.record), rest: far.rest };
  };
}
