import type { Metrics } from '@ron/kernel';

/** What became of the question to a node whether it still has its copy. */
export type CheckOutcome = 'held' | 'lost' | 'unproven' | 'unreachable';

export interface CopyMeters {
  made(outcome: 'made' | 'failed', sizeBytes: number): void;
  checked(outcome: CheckOutcome): void;
}

export function createCopyMeters(metrics: Metrics): CopyMeters {
  const made = metrics.counter('copies_made_total', 'Copies on other nodes, or fetched back here', ['outcome']);
  const bytes = metrics.counter('copies_made_bytes_total', 'Bytes of copies that were made').labels();
  const checked = metrics.counter('copies_checks_total', 'Copies renewed and challenged, by outcome', ['outcome']);
  return {
    made: (outcome, sizeBytes) => {
      made.labels({ outcome }).inc();
      if (outcome === 'made') bytes.inc(sizeBytes);
    },
    checked: (outcome) => checked.labels({ outcome }).inc(),
  };
}

export interface CopyCounts {
  readonly objects: number;
  readonly queued: number;
  readonly running: number;
}

/** What is kept in copies, and what of it lacks some. */
export function measureCopies(metrics: Metrics, counts: () => CopyCounts): Disposable {
  const objects = metrics.gauge('copies_objects', 'Objects that this node keeps in copies').labels();
  const lacking = metrics.gauge('copies_lacking', 'Of those, how many wait for a copy or are getting one').labels();
  return metrics.onCollect(() => {
    const now = counts();
    objects.set(now.objects);
    lacking.set(now.queued + now.running);
  });
}
