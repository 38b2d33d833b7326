import type { Handlers } from '@ron/proto/contract';
import type { edgeContract } from '@ron/proto/edge';
import { RonError } from '@ron/proto/errors';
import type { ObjectBytes } from '../objects/object-bytes.ts';

/** What is being fetched at this moment comes in after it: take it from the source first. */
export function createPurge(objects: ObjectBytes): Handlers<typeof edgeContract>['purge'] {
  return ({ address, all }) => {
    if ((address === undefined) === (all === undefined)) {
      throw new RonError('bad_request', 'say either which address, or all');
    }
    return objects.purge(address);
  };
}
