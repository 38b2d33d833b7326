import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeyRequest, Kms } from './kms.ts';
import { rewrapAll } from './rewrap-all.ts';
import { aad, engines, flip, message, none, request } from './testing/engines.ts';
import { refusalOf } from './testing/refusals.ts';

describe.each(engines)('%s', (_name, open) => {
  let kms: Kms;
  beforeEach(async () => {
    kms = await open();
  });
  afterEach(() => kms[Symbol.asyncDispose]());
  const make = async (alg: KeyRequest['alg']) => (await kms.createKey(request(alg))).kid;

  describe('rewrapping', () => {
    test('moves what opens to the newest version, and may be repeated', async () => {
      const kid = await make('aes-256-gcm');
      const old = await kms.wrap(kid, message, aad);
      const next = (await kms.rotateKey(kid)).kid;
      const fresh = await kms.wrap(next, message, aad);
      const items = [
        { wrapped: old, aad },
        { wrapped: fresh, aad },
        { wrapped: flip(old, 20), aad },
        { wrapped: flip(old, 4), aad },
        { wrapped: old, aad: none },
      ];
      const report = await kms.rewrap(kid, items);
      expect(report).toMatchObject({ kid: next, done: 1, unchanged: 1, failed: 3 });
      expect(report.results.map((result) => result.outcome)).toEqual([
        'done',
        'unchanged',
        'failed',
        'failed',
        'failed',
      ]);
      const moved = report.results[0] as { wrapped: Uint8Array };
      await kms.retireKey(kid);
      expect((await kms.unwrap(next, moved.wrapped, aad)).text()).toBe('message');
      const again = await kms.rewrap(next, [{ wrapped: moved.wrapped, aad }]);
      expect(again).toMatchObject({ unchanged: 1, results: [{ wrapped: moved.wrapped }] });
    });

    test('takes 1,000 values at once, not 1,001', async () => {
      const kid = await make('aes-256-gcm');
      const item = { wrapped: await kms.wrap(kid, message, aad), aad };
      const many = (count: number) => Array.from({ length: count }, () => item);
      for (const [count, expected] of [
        [999, 'accepted'],
        [1_000, 'accepted'],
        [1_001, 'payload_too_large'],
      ] as const) {
        expect(await refusalOf(() => kms.rewrap(kid, many(count)))).toBe(expected);
      }
    });

    test('a walk that is cut off goes on from its cursor and misses nothing', async () => {
      const kid = await make('aes-256-gcm');
      const stored: Uint8Array[] = [];
      for (let count = 0; count < 25; count += 1) stored.push(await kms.wrap(kid, Uint8Array.of(count), aad));
      await kms.rotateKey(kid);
      const source = {
        read: async (cursor: string | undefined) => {
          const start = Number(cursor ?? 0);
          const items = stored.slice(start, start + 10).map((wrapped) => ({ wrapped, aad }));
          return start + 10 < stored.length ? { items, cursor: String(start + 10) } : { items };
        },
        store: async (page: { items: readonly { wrapped: Uint8Array }[] }, report: { results: readonly object[] }) => {
          page.items.forEach(({ wrapped }, index) => {
            const result = report.results[index] as { wrapped: Uint8Array };
            stored[stored.indexOf(wrapped)] = result.wrapped;
          });
        },
      };
      let cursor: string | undefined;
      for await (const progress of rewrapAll(kms, kid, source)) {
        cursor = progress.cursor;
        break;
      }
      expect(cursor).toBe('10');
      const rest = await collected(rewrapAll(kms, kid, source, cursor));
      expect(rest.at(-1)).toEqual({ cursor: undefined, done: 15, unchanged: 0, failed: 0 });
      const repeated = await collected(rewrapAll(kms, kid, source));
      expect(repeated.map((progress) => progress.unchanged)).toEqual([10, 20, 25]);
      await kms.retireKey(kid);
      for (const [index, wrapped] of stored.entries()) {
        expect((await kms.unwrap(kid, wrapped, aad)).bytes()).toEqual(Uint8Array.of(index));
      }
    });
  });
});

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
