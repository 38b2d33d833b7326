import type { Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import { type Lookup, noSuchName } from '../lookup.ts';
import type { Resolution } from '../record.ts';

export function createResolve(lookup: Lookup): Handlers<typeof indexContract>['resolve'] {
  return ({ name, fresh }) => {
    const found = lookup.find(name, fresh === true);
    // No promise where none is needed: the hot path stays synchronous.
    return found instanceof Promise ? found.then(orRefuse) : orRefuse(found);
  };
}

function orRefuse(found: Resolution | undefined): Resolution {
  if (found === undefined) throw noSuchName();
  return found;
}
