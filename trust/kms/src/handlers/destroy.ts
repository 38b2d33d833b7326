import type { Handlers } from '@ron/proto/contract';
import type { kmsContract } from '@ron/proto/kms';
import { usedKey } from '../key-access.ts';
import { destructionEntry } from '../key-entry.ts';
import type { Kms } from '../kms.ts';
import { requestedChange } from '../requested-change.ts';

export function createDestroy(kms: Kms): Handlers<typeof kmsContract>['destroy'] {
  return async (input, call) => {
    usedKey(input.kid, call);
    return destructionEntry(await requestedChange(input, call, (options) => kms.destroyKey(input.kid, options)));
  };
}
