import type { Log } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { expect, test } from 'vitest';
import { Announcer } from './announcer.ts';

/** An announcer whose DHT notes what it is told, and answers when it is let. */
function start() {
  const told: [string, readonly string[]][] = [];
  const warnings: unknown[] = [];
  let gate = Promise.resolve();
  const tell = (what: string) => async (input: { readonly addresses: readonly string[] }) => {
    told.push([what, input.addresses]);
    await gate;
    return { announced: 0, published: 0, withdrawn: 0 };
  };
  const dht = { announce: tell('announce'), withdraw: tell('withdraw') };
  const quiet = () => undefined;
  const log: Log = { debug: quiet, info: quiet, error: quiet, warn: (of) => void warnings.push(of), child: () => log };
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return resolve;
  };
  const settled = async () => {
    for (let turn = 0; turn < 50; turn++) await undefined;
  };
  return { announcer: new Announcer(() => dht, log), dht, told, warnings, hold, settled };
}

test('what comes in one turn is told in one call, and what is here and what is not in one each', async () => {
  const { announcer, told, settled } = start();
  for (const address of ['a', 'b', 'c']) announcer.add(address);
  announcer.remove('d');
  await settled();
  expect(told).toEqual([
    ['announce', ['a', 'b', 'c']],
    ['withdraw', ['d']],
  ]);
});

test('of what changed while others were told, the last word counts', async () => {
  const { announcer, told, hold, settled } = start();
  const release = hold();
  announcer.add('a');
  await settled();
  announcer.remove('a');
  announcer.add('b');
  announcer.remove('b');
  release();
  await settled();
  expect(told).toEqual([
    ['announce', ['a']],
    ['withdraw', ['a', 'b']],
  ]);
});

test('a failure is logged and the next ones are told', async () => {
  const { announcer, dht, told, warnings, settled } = start();
  const { announce } = dht;
  dht.announce = () => Promise.reject(new RonError('insufficient_storage', 'no room'));
  announcer.add('a');
  await settled();
  expect(warnings).toHaveLength(1);
  dht.announce = announce;
  announcer.add('b');
  await settled();
  expect(told).toEqual([['announce', ['b']]]);
});
