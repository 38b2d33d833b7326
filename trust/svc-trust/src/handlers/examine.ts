import type { ListedChains } from '@ron/auth';
import { spellingOf } from '@ron/cap';
import type { Handlers } from '@ron/proto/contract';
import type { trustContract } from '@ron/proto/trust';

export function createExamine(chains: ListedChains): Handlers<typeof trustContract>['examine'] {
  return async ({ token }) => {
    const { fault } = await chains.examine(spellingOf(Buffer.from(token, 'base64')));
    return fault === undefined ? {} : { fault };
  };
}
