import type { Handlers } from '@ron/proto/contract';
import type { kmsContract } from '@ron/proto/kms';
import { rotatableKey } from '../key-access.ts';
import { keyEntry } from '../key-entry.ts';
import type { Kms } from '../kms.ts';
import { requestedChange } from '../requested-change.ts';

/** Most of the node's own keys too: nothing that they vouch for fails, and what uses them takes the active version. */
export function createRotate(kms: Kms): Handlers<typeof kmsContract>['rotate'] {
  return async (input, call) => {
    rotatableKey(input.kid, call);
    return keyEntry(await requestedChange(input, call, (options) => kms.rotateKey(input.kid, options)));
  };
}
