import type { Handlers } from '@ron/proto/contract';
import type { edgeContract } from '@ron/proto/edge';
import type { ObjectBytes } from '../objects/object-bytes.ts';

export function createStat(objects: ObjectBytes): Handlers<typeof edgeContract>['stat'] {
  return ({ address, keep = false }, call) => {
    const size = objects.sizeOf(address, keep, call);
    return typeof size === 'number' ? { address, size } : size.then((known) => ({ address, size: known }));
  };
}
