import { expect, test } from 'vitest';
import { call, sample, settle, startStorage } from './test-bed.ts';

const hourMs = 3_600_000;
const runs = (bed: { metrics: { read(name: string, labels?: Record<string, string>): number | undefined } }) =>
  bed.metrics.read('gc_runs_total', { outcome: 'done' }) ?? 0;

test('collects after the configured time, give or take a tenth, again and again', async () => {
  await using bed = await startStorage({ config: { grace_ms: 0 } });
  const { address } = await bed.handlers.put({}, call({ body: sample(10) }));
  await bed.clock.pass(5.4 * hourMs - 1);
  expect(runs(bed)).toBe(0);
  await bed.clock.pass(1.2 * hourMs + 1);
  expect(runs(bed)).toBe(1);
  expect(bed.blobs.stat(address as never)?.state).toBe('trash');
  await bed.clock.pass(60 * hourMs);
  expect(runs(bed)).toBeGreaterThanOrEqual(9);
  expect(runs(bed)).toBeLessThanOrEqual(13);
  expect(bed.blobs.stat(address as never)).toBeUndefined();
});

test('0 leaves it to requests', async () => {
  await using bed = await startStorage({ config: { collect_every_ms: 0 } });
  await bed.clock.pass(100 * hourMs);
  expect(runs(bed)).toBe(0);
});

test('a turn is skipped while a collection runs, and a failed one is tried again next time', async () => {
  await using bed = await startStorage({ config: { grace_ms: 0, collect_every_ms: 1_000, upload_sweep_ms: 10 ** 9 } });
  await bed.handlers.put({}, call({ body: sample(10) }));
  bed.index.failure = new Error('away');
  await bed.clock.pass(1_150);
  expect(bed.metrics.read('gc_runs_total', { outcome: 'failed' })).toBe(1);
  bed.index.failure = undefined;
  const { promise, resolve } = Promise.withResolvers<void>();
  const { roots } = bed.index.peer as unknown as { roots: (input: object) => Promise<unknown> };
  let asked = 0;
  Object.assign(bed.index.peer, {
    roots: async (input: object) => {
      asked += 1;
      await promise;
      return roots(input);
    },
  });
  const asking = bed.handlers.collect({}, call());
  await settle();
  await bed.clock.pass(3_000);
  expect(asked).toBe(1);
  resolve();
  await asking;
  expect(runs(bed)).toBe(1);
  // The turn that was due meanwhile, and perhaps the one after it: times are scattered by a tenth.
  await bed.clock.pass(1_150);
  expect([2, 3]).toContain(runs(bed));
});

test('ends with the service', async () => {
  const bed = await startStorage();
  await bed[Symbol.asyncDispose]();
  expect(bed.clock.pendingTimers).toBe(0);
});
