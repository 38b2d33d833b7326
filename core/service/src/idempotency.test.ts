import { createSimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import { describe, expect, test } from 'vitest';
import { type IdempotencyLimits, IdempotencyStore } from './idempotency.ts';

function start(limits: Partial<IdempotencyLimits> = {}) {
  const env = createSimEnv({ seed: 1 });
  const store = new IdempotencyStore(env, limits);
  let runs = 0;
  const once = (who: string | readonly string[], request: unknown, outcome?: unknown) =>
    store.once(typeof who === 'string' ? ['tenant', 'subject', 'op', who] : who, request, () => {
      runs += 1;
      return outcome ?? { run: runs };
    });
  return { env, store, once, runs: () => runs };
}

describe('the same key', () => {
  test('with the same request runs once, and the answer is equal but never the same object', async () => {
    const { once, runs } = start();
    const [first, second] = (await Promise.all([once('k', { a: 1 }), once('k', { a: 1 })])) as { run: number }[];
    const third = await once('k', { a: 1 });
    expect([first, second, third]).toEqual([{ run: 1 }, { run: 1 }, { run: 1 }]);
    first!.run = 99;
    expect(second).toEqual({ run: 1 });
    expect(await once('k', { a: 1 })).toEqual({ run: 1 });
    expect(runs()).toBe(1);
  });

  test('with another request is a conflict, while the first runs and after it', async () => {
    const { once } = start();
    const first = once('k', { a: 1 });
    await expect(once('k', { a: 2 })).rejects.toMatchObject({ code: 'conflict' });
    await first;
    await expect(once('k', { a: 2 })).rejects.toMatchObject({ code: 'conflict' });
  });

  test('of another tenant, subject or operation is another key, however the parts are cut', async () => {
    const { once, runs } = start();
    const parts = [
      ['t', 's', 'op', 'k'],
      ['t', 's\nop', '', 'k'],
      ['t\ns', '', 'op', 'k'],
      ['u', 's', 'op', 'k'],
      ['t', 's', 'op2', 'k'],
      ['t', 's2', 'op', 'k'],
    ];
    for (const who of parts) await once(who, {});
    expect(runs()).toBe(parts.length);
  });

  test('after a refusal is a new attempt, and both who waited get the refusal', async () => {
    const { store } = start();
    let runs = 0;
    const fail = () =>
      store.once(['k'], {}, () => {
        runs += 1;
        throw new RonError('unavailable', 'not now');
      });
    const both = await Promise.allSettled([fail(), fail()]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(runs).toBe(1);
    await expect(fail()).rejects.toMatchObject({ code: 'unavailable' });
    expect(runs).toBe(2);
    expect(store.size).toEqual({ entries: 0, bytes: 0 });
  });

  test('remembers an answer that is nothing', async () => {
    const { store } = start();
    let runs = 0;
    const nothing = () =>
      store.once(['k'], {}, () => {
        runs += 1;
        return undefined;
      });
    expect(await nothing()).toBeUndefined();
    expect(await nothing()).toBeUndefined();
    expect(runs).toBe(1);
  });

  test('is forgotten after 24 hours, not before', async () => {
    const { env, once, runs } = start();
    await once('k', {});
    await env.scheduler.runFor(24 * 3_600_000 - 1);
    await once('k', {});
    expect(runs()).toBe(1);
    await env.scheduler.runFor(1);
    await once('k', {});
    expect(runs()).toBe(2);
  });
});

describe('memory', () => {
  test('holds a bounded number of outcomes, the oldest go first', async () => {
    const { once, store, runs } = start({ entriesMax: 3 });
    for (let key = 0; key < 10; key += 1) await once(`k${key}`, {});
    expect(store.size.entries).toBe(3);
    await once('k9', {});
    expect(runs()).toBe(10);
    await once('k0', {});
    expect(runs()).toBe(11);
  });

  test('holds a bounded number of bytes: large requests cost their digest, large answers their size', async () => {
    const { once, store } = start({ bytesMax: 100_000 });
    for (let key = 0; key < 50; key += 1) await once(`k${key}`, 'x'.repeat(1_000_000));
    expect(store.size.entries).toBe(50);
    expect(store.size.bytes).toBeLessThan(50 * 400);
    for (let key = 0; key < 50; key += 1) await once(`large${key}`, {}, 'y'.repeat(10_000));
    expect(store.size.bytes).toBeLessThanOrEqual(100_000);
    await once('larger than all', {}, 'z'.repeat(200_000));
    expect(store.size).toEqual({ entries: 0, bytes: 0 });
  });

  test('what still runs is never forgotten, and is bounded too', async () => {
    const { store, once, runs } = start({ entriesMax: 1, runningMax: 2 });
    const { promise, resolve } = Promise.withResolvers<string>();
    let stuckRuns = 0;
    const stuck = () =>
      store.once(['stuck'], {}, () => {
        stuckRuns += 1;
        return promise;
      });
    const first = stuck();
    for (let key = 0; key < 5; key += 1) await once(`k${key}`, {});
    const again = stuck();
    const other = store.once(['other'], {}, () => promise);
    await expect(once('one too many', {})).rejects.toMatchObject({ code: 'unavailable' });
    resolve('done');
    expect(await Promise.all([first, again, other])).toEqual(['done', 'done', 'done']);
    expect(stuckRuns).toBe(1);
    expect(runs()).toBe(5);
  });
});
