import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { trustContract } from '@ron/proto/trust';
import type { NamesKey } from '../names-key.ts';

export function createSignName(names: NamesKey): Handlers<typeof trustContract>['sign_name'] {
  return async ({ kid, bytes }) => {
    // The record names its key, so another one's signature would be worth nothing.
    if (kid !== names.owner) throw new RonError('conflict', 'names are signed with another key now');
    const signature = await names.sign(Buffer.from(bytes, 'base64'));
    return { signature: Buffer.from(signature).toString('base64') };
  };
}
