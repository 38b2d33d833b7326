import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from '@ron/metrics';

/** Adds `process_resident_memory_bytes`, `process_heap_used_bytes` and `event_loop_delay_p99_seconds`; dispose to stop sampling. */
export function measureProcess(metrics: Metrics): Disposable {
  const resident = metrics.gauge('process_resident_memory_bytes', 'Resident set size').labels();
  const heap = metrics.gauge('process_heap_used_bytes', 'JavaScript heap in use').labels();
  const delay = metrics.gauge('event_loop_delay_p99_seconds', '99th percentile since the last scrape').labels();
  const histogram = monitorEventLoopDelay({ resolution: 20 });
  histogram.enable();
  const refresher = metrics.onCollect(() => {
    const { rss, heapUsed } = process.memoryUsage();
    resident.set(rss);
    heap.set(heapUsed);
    delay.set(histogram.percentile(99) / 1e9);
    histogram.reset();
  });
  return {
    [Symbol.dispose]: () => {
      refresher[Symbol.dispose]();
      histogram.disable();
    },
  };
}
