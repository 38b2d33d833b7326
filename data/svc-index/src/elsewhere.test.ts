import type { CallContext, Principal } from '@ron/proto/contract';
import { expect, test } from 'vitest';
import { type FarName, findElsewhere, type NamesElsewhere } from './elsewhere.ts';

const found = { record: { name: 'a' }, rest: '', ageMs: 0 } as FarName;
const callOf = (principal: Partial<Principal>) => {
  const context = { principal, signal: new AbortController().signal };
  return { context: context as Pick<CallContext, 'principal' | 'signal'> };
};

test('other nodes are asked for a client, and for a node nobody is', async () => {
  const asked: string[] = [];
  const how = { whole: true, fresh: false };
  const elsewhere: NamesElsewhere = {
    async find(path, { whole, fresh }) {
      asked.push(`${path} ${whole} ${fresh}`);
      return found;
    },
    trace: async () => [],
  };
  expect(await findElsewhere(elsewhere, 'a', how, callOf({}))).toBe(found);
  expect(await findElsewhere(elsewhere, 'a', how, callOf({ node: 'ab'.repeat(32) }))).toBeUndefined();
  expect(await findElsewhere(undefined, 'a', how, callOf({}))).toBeUndefined();
  expect(asked).toEqual(['a true false']);
});
