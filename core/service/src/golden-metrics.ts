import type { Metrics } from '@ron/kernel';

/** The metrics that every service has, bound once per operation so that a request touches no label map. */
export interface OperationMeter {
  done(code: string, seconds: number): void;
  rejected(reason: string): void;
  /** Refused before anything was done for it: it took no time, and the latencies of what is served do not sink by it. */
  shed(reason: string, code: string): void;
  bytesIn(count: number): void;
  bytesOut(count: number): void;
  inflight(change: 1 | -1): void;
}

export interface ServiceMeters {
  operation(name: string): OperationMeter;
  /** A request that named no operation of the service. */
  rejected(reason: string): void;
}

/** `held`: how many of the calls in flight wait for their client. */
export function createMeters(metrics: Metrics, service: string, held?: () => number): ServiceMeters {
  const requests = metrics.counter('requests_total', 'Finished requests', ['service', 'op', 'code']);
  const rejected = rejections(metrics, service);
  const bytesIn = metrics.counter('bytes_in_total', 'Body bytes received', ['service']).labels({ service });
  const bytesOut = metrics.counter('bytes_out_total', 'Body bytes sent', ['service']).labels({ service });
  const latency = metrics.histogram('latency_seconds', 'From parsed request to the end of the reply', [
    'service',
    'op',
  ]);
  const inflight = metrics.gauge('inflight', 'Requests being served', ['service']).labels({ service });
  if (held !== undefined) {
    const waiting = metrics.gauge('inflight_held', 'Of the requests being served, those that wait for their client', [
      'service',
    ]);
    const own = waiting.labels({ service });
    metrics.onCollect(() => own.set(held()));
  }
  const quota = metrics.counter('quota_exhaustions_total', 'Refusals for quota', ['tenant_class']);
  const exhausted = quota.labels({ tenant_class: 'default' });
  const operation = (op: string): OperationMeter => {
    const observe = latency.labels({ service, op });
    const ok = requests.labels({ service, op, code: 'ok' });
    const byCode = new Map<string, { inc(by?: number): void }>([['ok', ok]]);
    const count = (code: string) => bound(byCode, code, () => requests.labels({ service, op, code })).inc();
    return {
      done(code, seconds) {
        count(code);
        observe.observe(seconds);
      },
      rejected(reason) {
        rejected(reason);
        if (reason === 'quota_exhausted') exhausted.inc();
      },
      shed(reason, code) {
        rejected(reason);
        count(code);
      },
      bytesIn: (bytes) => bytesIn.inc(bytes),
      bytesOut: (bytes) => bytesOut.inc(bytes),
      inflight: (change) => (change === 1 ? inflight.inc() : inflight.dec()),
    };
  };
  return { operation, rejected };
}

/** Counts what is refused before a handler runs; `service` is a binding's name where no service was reached. */
export function rejections(metrics: Metrics, service: string): (reason: string) => void {
  const rejected = metrics.counter('rejected_total', 'Requests refused before their handler', ['service', 'reason']);
  const byReason = new Map<string, { inc(by?: number): void }>();
  return (reason) => bound(byReason, reason, () => rejected.labels({ service, reason })).inc();
}

function bound<T>(map: Map<string, T>, key: string, make: () => T): T {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
