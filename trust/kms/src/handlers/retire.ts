import type { Handlers } from '@ron/proto/contract';
import type { kmsContract } from '@ron/proto/kms';
import { isReserved, reserved, seenKey } from '../key-access.ts';
import { keyEntry } from '../key-entry.ts';
import type { Kms } from '../kms.ts';
import { requestedChange } from '../requested-change.ts';

export function createRetire(kms: Kms): Handlers<typeof kmsContract>['retire'] {
  return async (input, call) => {
    const id = seenKey(input.kid, call);
    if (input.even_active && isReserved(id)) throw reserved('the node needs its active keys: rotate first');
    return keyEntry(await requestedChange(input, call, (options) => kms.retireKey(input.kid, options)));
  };
}
