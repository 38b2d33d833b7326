import type { Metrics } from '@ron/kernel';
import type { BackendPhase } from '@ron/proto/omnigate';

const phases: readonly BackendPhase[] = ['joining', 'healthy', 'ejected', 'draining'];

/** What the front counts beside the golden metrics. Labels are names of the configuration and words of this file. */
export interface FrontMeters {
  queued(seconds: number): void;
  refused(reason: 'queue' | 'fair_share' | 'backends' | 'draining' | 'waiting'): void;
  retried(outcome: 'ok' | 'failed' | 'no_budget' | 'no_backend'): void;
  phase(backend: string, phase: BackendPhase): void;
}

export interface Gauges {
  readonly queue: () => { readonly waiting: number; readonly lanes: number };
  readonly backends: () => Iterable<{
    readonly name: string;
    readonly inflight: number;
    readonly limit: { readonly limit: number };
    readonly weight: number;
  }>;
}

export function createFrontMeters(metrics: Metrics, gauges: Gauges): FrontMeters & Disposable {
  const waited = metrics.histogram('omnigate_queue_seconds', 'Time that calls waited in line', []).labels();
  const refused = metrics.counter('omnigate_refused_total', 'Calls refused at the front', ['reason']);
  const retries = metrics.counter('omnigate_retries_total', 'Second attempts on another backend', ['outcome']);
  const phaseOf = metrics.gauge('omnigate_backend_phase', '1 for the phase of a backend', ['backend', 'phase']);
  const changes = metrics.counter('omnigate_backend_changes_total', 'Changes of phase', ['backend', 'phase']);
  const waiting = metrics.gauge('omnigate_queue_waiting', 'Calls that wait in line').labels();
  const lanes = metrics.gauge('omnigate_queue_lanes', 'Tenants with a lane').labels();
  const inflight = metrics.gauge('omnigate_backend_inflight', 'Calls at a backend', ['backend']);
  const limit = metrics.gauge('omnigate_backend_limit', 'Calls that a backend gets at once', ['backend']);
  const weight = metrics.gauge('omnigate_backend_weight', 'Share of a backend, 0 to 1', ['backend']);
  const collecting = metrics.onCollect(() => {
    const queue = gauges.queue();
    waiting.set(queue.waiting);
    lanes.set(queue.lanes);
    for (const backend of gauges.backends()) {
      const labels = { backend: backend.name };
      inflight.labels(labels).set(backend.inflight);
      limit.labels(labels).set(backend.limit.limit);
      weight.labels(labels).set(backend.weight);
    }
  });
  return {
    queued: (seconds) => waited.observe(seconds),
    refused: (reason) => refused.labels({ reason }).inc(),
    retried: (outcome) => retries.labels({ outcome }).inc(),
    phase(backend, now) {
      for (const phase of phases) phaseOf.labels({ backend, phase }).set(phase === now ? 1 : 0);
      changes.labels({ backend, phase: now }).inc();
    },
    [Symbol.dispose]: () => collecting[Symbol.dispose](),
  };
}
