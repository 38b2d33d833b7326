import type { Call, Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import { findElsewhere, type NamesElsewhere } from '../elsewhere.ts';
import { farResolution, type Lookup, noSuchName } from '../lookup.ts';
import type { Resolution } from '../record.ts';

export function createResolve(lookup: Lookup, elsewhere?: NamesElsewhere): Handlers<typeof indexContract>['resolve'] {
  const far = async (name: string, fresh: boolean, call: Call): Promise<Resolution> => {
    const found = await findElsewhere(elsewhere, name, { whole: true, fresh }, call);
    if (found === undefined) throw noSuchName();
    return farResolution(found.record, found.ageMs);
  };
  return ({ name, fresh }, call) => {
    const found = lookup.find(name, fresh === true);
    // No promise where none is needed: the hot path stays synchronous.
    if (found instanceof Promise) return found.then((late) => late ?? far(name, fresh === true, call));
    return found ?? far(name, fresh === true, call);
  };
}
