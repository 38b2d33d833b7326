import fc from 'fast-check';
import { expect, test } from 'vitest';
import { latencyBuckets } from './children.ts';
import { seriesMax } from './family.ts';
import { createMetrics } from './metrics.ts';

test('the exposition shows every kind in the text format', async () => {
  const metrics = createMetrics({ prefix: 'ron_' });
  metrics.counter('requests_total', 'Finished requests', ['op', 'code']).labels({ op: 'put', code: 'ok' }).inc(3);
  metrics.gauge('inflight', 'Being served').labels().set(2);
  const latency = metrics.histogram('latency_seconds', 'Latency', ['op'], [0.1, 1]).labels({ op: 'put' });
  for (const seconds of [0.05, 0.1, 0.5, 5]) latency.observe(seconds);
  const text = await metrics.exposition();
  expect(text).toContain('# TYPE ron_requests_total counter\nron_requests_total{op="put",code="ok"} 3\n');
  expect(text).toContain('# HELP ron_inflight Being served\n# TYPE ron_inflight gauge\nron_inflight 2\n');
  expect(text).toContain('ron_latency_seconds_bucket{op="put",le="0.1"} 2\n');
  expect(text).toContain('ron_latency_seconds_bucket{op="put",le="1"} 3\n');
  expect(text).toContain('ron_latency_seconds_bucket{op="put",le="+Inf"} 4\n');
  expect(text).toContain('ron_latency_seconds_sum{op="put"} 5.65\nron_latency_seconds_count{op="put"} 4\n');
});

test('label values are escaped', async () => {
  const metrics = createMetrics();
  metrics.counter('x_total', 'X', ['why']).labels({ why: 'a"b\\c\nd' }).inc();
  expect(await metrics.exposition()).toContain('x_total{why="a\\"b\\\\c\\nd"} 1\n');
});

test('the same name is the same family; another shape is refused', () => {
  const metrics = createMetrics();
  metrics.counter('a_total', 'A', ['op']).labels({ op: 'x' }).inc();
  metrics.counter('a_total', 'A', ['op']).labels({ op: 'x' }).inc();
  expect(metrics.read('a_total', { op: 'x' })).toBe(2);
  expect(() => metrics.gauge('a_total', 'A', ['op'])).toThrow('already a counter');
  expect(() => metrics.counter('a_total', 'A', ['code'])).toThrow('already a counter');
  expect(() => metrics.counter('no spaces', 'A')).toThrow('bad metric name');
});

test('a missing label is refused, and neighbouring values do not run together', () => {
  const metrics = createMetrics();
  const family = metrics.counter('a_total', 'A', ['x', 'y']);
  expect(() => family.labels({ x: 'only' } as never)).toThrow('needs the label y');
  family.labels({ x: 'a', y: 'bc' }).inc();
  expect(family.labels({ x: 'ab', y: 'c' }).value).toBe(0);
});

test('past the bound new label combinations fold into one series and are counted', async () => {
  const metrics = createMetrics();
  const family = metrics.counter('a_total', 'A', ['id']);
  for (let i = 0; i < seriesMax + 50; i++) family.labels({ id: String(i) }).inc();
  expect(metrics.read('a_total', { id: String(seriesMax - 2) })).toBe(1);
  expect(metrics.read('a_total', { id: String(seriesMax - 1) })).toBeUndefined();
  expect(metrics.read('a_total', { id: 'other' })).toBe(51);
  expect(metrics.read('metrics_series_folded_total', { metric: 'a_total' })).toBe(51);
  const lines = (await metrics.exposition()).split('\n').filter((line) => line.startsWith('a_total{'));
  expect(lines).toHaveLength(seriesMax);
});

test('a counter never shrinks', () => {
  const counter = createMetrics().counter('a_total', 'A').labels();
  for (const by of [-1, Number.NaN]) expect(() => counter.inc(by)).toThrow(RangeError);
  expect(counter.value).toBe(0);
});

test('gauges that are read are refreshed before each exposition', async () => {
  const metrics = createMetrics();
  const gauge = metrics.gauge('depth', 'Depth').labels();
  let depth = 7;
  const refresher = metrics.onCollect(() => gauge.set(depth));
  expect(await metrics.exposition()).toContain('depth 7\n');
  depth = 9;
  refresher[Symbol.dispose]();
  expect(await metrics.exposition()).toContain('depth 7\n');
});

test('every observation lands in the first bucket that holds it', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1 }), (values) => {
      const histogram = createMetrics().histogram('h', 'H').labels();
      for (const value of values) histogram.observe(value);
      const ascending = values.toSorted((a, b) => a - b);
      const median = ascending[Math.ceil(values.length / 2) - 1] as number;
      const expected = latencyBuckets.find((bound) => median <= bound) ?? Number.POSITIVE_INFINITY;
      expect(histogram.quantile(0.5)).toBe(expected);
      expect(histogram.count).toBe(values.length);
    }),
  );
});
