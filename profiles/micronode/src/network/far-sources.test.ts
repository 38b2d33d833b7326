import { createSimEnv } from '@ron/kernel/sim';
import type { Contact } from '@ron/proto/network';
import type { NodeLinks } from '@ron/transport';
import { expect, test } from 'vitest';
import { farSources } from './far-sources.ts';
import type { Holders } from './holders.ts';

const address = `b3:${'0'.repeat(64)}`;
const { signal } = new AbortController();
const contact = (digit: string): Contact => ({ id: digit.repeat(64), address: '127.0.0.1:1' });

/** Sources over holders that may change, and links that only note who was asked. */
function open(first: readonly Contact[]) {
  let known = first;
  const asked: string[] = [];
  const blamed: string[] = [];
  const links = {
    call: async (_contract: unknown, to: Contact) => {
      asked.push(to.id[0]!);
      return { output: { size: 5 }, body: undefined };
    },
  };
  const sources = farSources({
    holders: { of: async () => known } as Pick<Holders, 'of'> as Holders,
    links: links as Pick<NodeLinks, never> as NodeLinks,
    env: createSimEnv({ seed: 1 }),
    onLiar: (id) => blamed.push(id[0]!),
  });
  const now = (next: readonly Contact[]) => {
    known = next;
  };
  return { sources, asked, blamed, now };
}

test('the holders stand one after the other, and where nobody is left nothing is found', async () => {
  const { sources, asked } = open([contact('a'), contact('b')]);
  for (const source of sources.slice(0, 2)) expect(await source.stat(address, false, signal)).toEqual({ sizeBytes: 5 });
  expect(asked).toEqual(['a', 'b']);
  await expect(sources[2]!.stat(address, false, signal)).rejects.toMatchObject({ code: 'not_found' });
});

test('who is blamed for wrong bytes is who sent them, also when others have come first meanwhile', async () => {
  const { sources, asked, blamed, now } = open([contact('a')]);
  await sources[0]!.groups({ address, sizeBytes: 5, first: 0, count: 1 }, signal);
  now([contact('b'), contact('a')]);
  await sources[0]!.stat(address, false, signal);
  sources[0]!.lied?.(address);
  expect([asked, blamed]).toEqual([['a', 'a'], ['a']]);
  now([contact('b')]);
  await sources[0]!.stat(address, false, signal);
  expect(asked.at(-1)).toBe('b');
});
