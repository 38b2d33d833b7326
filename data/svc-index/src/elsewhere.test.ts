import type { CallContext, Principal } from '@ron/proto/contract';
import { expect, test } from 'vitest';
import { type FarName, findElsewhere, type NamesElsewhere } from './elsewhere.ts';

const found = { record: { name: 'a' }, rest: '' } as FarName;
const callOf = (principal: Partial<Principal>) => {
  const context = { principal, signal: new AbortController().signal };
  return { context: context as Pick<CallContext, 'principal' | 'signal'> };
};

test('other nodes are asked for a client, and for a node nobody is', async () => {
  const asked: string[] = [];
  const elsewhere: NamesElsewhere = {
    async find(path, whole) {
      asked.push(`${path} ${whole}`);
      return found;
    },
  };
  expect(await findElsewhere(elsewhere, 'a', true, callOf({}))).toBe(found);
  expect(await findElsewhere(elsewhere, 'a', true, callOf({ node: 'ab'.repeat(32) }))).toBeUndefined();
  expect(await findElsewhere(undefined, 'a', true, callOf({}))).toBeUndefined();
  expect(asked).toEqual(['a true']);
});
