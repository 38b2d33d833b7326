import { expect, test } from 'vitest';
import { createLoadMeter } from './load-meter.ts';

function block(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('a loop whose every turn is long is late by about a turn', async () => {
  using meter = createLoadMeter();
  let standing = 0;
  // Ends with the first reading that says so; a loop that is not measured would run into the limit of the test.
  while (standing < 20) {
    block(30);
    await turn();
    standing = meter.read().loopDelayMs;
  }
  expect(meter.read().loopDelayMaxMs).toBeGreaterThanOrEqual(standing);
});

test('one long turn is the worst one, and no standing delay', async () => {
  using meter = createLoadMeter();
  await new Promise((resolve) => setTimeout(resolve, 100));
  block(200);
  expect(meter.read().loopDelayMaxMs).toBeGreaterThan(150);
  await turn();
  await turn();
  expect(meter.read().loopDelayMs).toBeLessThan(meter.read().loopDelayMaxMs);
});

test('the heap stands below its limit', () => {
  using meter = createLoadMeter();
  const { heapUsedBytes, heapLimitBytes, loopUtilization } = meter.read();
  expect(heapUsedBytes).toBeGreaterThan(0);
  expect(heapUsedBytes).toBeLessThan(heapLimitBytes);
  expect(loopUtilization).toBeGreaterThanOrEqual(0);
});
