import { sleep } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import type { Contact } from '@ron/proto/network';
import type { NodeLinks } from '@ron/transport';
import { expect, test } from 'vitest';
import { FarNames } from './far-names.ts';

const contact = (digit: string): Contact => ({ id: digit.repeat(64), address: '127.0.0.1:1' });
const { signal } = new AbortController();

interface Word {
  readonly name: string;
  readonly version?: number;
  readonly rest?: string;
  readonly expires_at?: number;
}

/** Names that nodes a, b, … have, and what became of asking them. A node without words has none; an error is thrown. */
function open(words: Record<string, Word | RonError | undefined>) {
  const env = createSimEnv({ seed: 1 });
  const asked: string[] = [];
  let trusted = Object.keys(words).map(contact);
  const call = async (_contract: unknown, { id }: Contact) => {
    asked.push(id[0]!);
    await sleep(env.clock, 10);
    const word = words[id[0]!];
    if (word === undefined) throw new RonError('not_found', 'no such name');
    if (word instanceof RonError) throw word;
    const { rest = '', ...record } = word;
    return { output: { record: { version: 1, ...record, providers: [], freshness_ms: 5, source: 'disk' }, rest } };
  };
  const names = new FarNames({
    links: { call } as Pick<NodeLinks, never> as NodeLinks,
    trusted: () => trusted,
    clock: env.clock,
  });
  const run = <T>(work: Promise<T>) => env.scheduler.settle(work);
  const find = (path: string, how: { whole?: boolean; fresh?: boolean } = {}) =>
    run(names.find(path, { whole: true, fresh: false, signal, ...how }));
  const trust = (digits: string) => {
    trusted = [...digits].map(contact);
  };
  return { env, names, asked, run, find, trust, words };
}

test('of those who have the name, the first in the operator’s order is believed', async () => {
  const { find, names, run } = open({ a: undefined, b: { name: 'x', version: 2 }, c: { name: 'x', version: 9 } });
  expect(await find('x')).toMatchObject({ record: { version: 2 }, rest: '', ageMs: 5 });
  const answers = await run(names.trace('x', signal));
  expect(answers.map(({ node, outcome, tookMs }) => [node.id[0], outcome, tookMs])).toEqual([
    ['a', 'missing', 10],
    ['b', 'found', 10],
    ['c', 'found', 10],
  ]);
});

test('eight are asked, and who answers wrongly, late or not at all is told apart from who has none', async () => {
  const expired = { name: 'x', expires_at: 0 };
  const silent = new RonError('deadline_exceeded', 'silent');
  const words = { a: silent, b: { name: 'y' }, c: expired, d: new RonError('forbidden', 'no') };
  const more = Object.fromEntries([...'efghi'].map((digit) => [digit, undefined]));
  const { find, names, run, asked } = open({ ...words, ...more });
  await expect(find('x')).rejects.toMatchObject({ code: 'unavailable' });
  expect(asked.splice(0)).toEqual([...'abcdefgh']);
  const answers = await run(names.trace('x', signal));
  expect(answers.slice(0, 4).map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'expired', 'missing']);
  expect(answers[1]!.error).toMatchObject({ code: 'integrity' });
});

test('what was found is answered again for two seconds, with its age, and asked anew where it has to be fresh', async () => {
  const { env, find, asked } = open({ a: { name: 'x' } });
  await find('x');
  await env.scheduler.runFor(1_000);
  expect(await find('x')).toMatchObject({ ageMs: 1_005 });
  expect(asked).toEqual(['a']);
  // A folder above it is another question.
  await find('x', { whole: false });
  expect(await find('x', { fresh: true })).toMatchObject({ ageMs: 5 });
  expect(asked).toEqual(['a', 'a', 'a']);
  await env.scheduler.runFor(2_000);
  await find('x');
  expect(asked).toHaveLength(4);
});

test('what is not there is not remembered, and neither is the word of who is trusted no longer', async () => {
  const { find, asked, trust, words } = open({ a: { name: 'x' }, b: { name: 'x', version: 7 } });
  expect(await find('z', {}).catch(({ code }: RonError) => code)).toBe('unavailable');
  await find('x');
  trust('b');
  expect(await find('x')).toMatchObject({ record: { version: 7 } });
  words['b'] = undefined;
  expect(await find('x', { fresh: true })).toBeUndefined();
  expect(await find('x')).toBeUndefined();
  expect(asked).toEqual([...'abab', 'b', 'b', 'b']);
});

test('a record is not answered past its own time', async () => {
  const { env, find, words } = open({ a: { name: 'x' } });
  words['a'] = { name: 'x', expires_at: env.clock.wallMs() + 500 };
  await find('x');
  await env.scheduler.runFor(600);
  expect(await find('x')).toBeUndefined();
});
