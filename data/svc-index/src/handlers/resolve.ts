import type { CallContext, Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import type { NamesElsewhere } from '../elsewhere.ts';
import { farResolution, type Lookup, noSuchName } from '../lookup.ts';
import type { Resolution } from '../record.ts';

export function createResolve(lookup: Lookup, elsewhere?: NamesElsewhere): Handlers<typeof indexContract>['resolve'] {
  return ({ name, fresh }, { context }) => {
    const found = lookup.find(name, fresh === true);
    // No promise where none is needed: the hot path stays synchronous.
    if (found instanceof Promise) return found.then((late) => late ?? far(name, context, elsewhere));
    return found ?? far(name, context, elsewhere);
  };
}

async function far(name: string, { principal, signal }: CallContext, elsewhere?: NamesElsewhere): Promise<Resolution> {
  // A node that asks wants what is kept here: two that passed questions on to each other would never end.
  const found = principal.node === undefined ? await elsewhere?.find(name, true, signal) : undefined;
  if (found === undefined) throw noSuchName();
  return farResolution(found.record);
}
