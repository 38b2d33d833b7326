import type { Call, Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import { findElsewhere, type NamesElsewhere } from '../elsewhere.ts';
import { farResolution, type Lookup, noSuchName } from '../lookup.ts';
import type { Resolution } from '../record.ts';

export function createResolve(lookup: Lookup, elsewhere?: NamesElsewhere): Handlers<typeof indexContract>['resolve'] {
  const far = async (name: string, call: Call): Promise<Resolution> => {
    const found = await findElsewhere(elsewhere, name, true, call);
    if (found === undefined) throw noSuchName();
    return farResolution(found.record);
  };
  return ({ name, fresh }, call) => {
    const found = lookup.find(name, fresh === true);
    // No promise where none is needed: the hot path stays synchronous.
    if (found instanceof Promise) return found.then((late) => late ?? far(name, call));
    return found ?? far(name, call);
  };
}
