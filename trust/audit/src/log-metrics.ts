import type { Metrics } from '@ron/kernel';
import type { AuditLog } from './log.ts';

/** Until disposed. */
export function observeLog(log: AuditLog, metrics: Metrics): Disposable {
  const appended = metrics.histogram('audit_append_seconds', 'from the call to stable storage').labels();
  const dropped = metrics.counter('audit_dropped_total', 'offered entries that found the queue full').labels();
  const refused = metrics.counter('audit_refused_total', 'entries that were refused, and calls with them').labels();
  const entries = metrics.gauge('audit_entries', 'entries of the log').labels();
  const failed = metrics.gauge('audit_failed', '1 while nothing can be recorded').labels();
  log.observe({
    appended: (seconds) => appended.observe(seconds),
    dropped: (count) => dropped.inc(count),
    refused: () => refused.inc(),
  });
  const collecting = metrics.onCollect(() => {
    entries.set(log.size);
    failed.set(log.failure === undefined ? 0 : 1);
  });
  return {
    [Symbol.dispose]() {
      collecting[Symbol.dispose]();
      log.observe({});
    },
  };
}
