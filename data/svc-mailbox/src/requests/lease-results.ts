import { RonError } from '@ron/proto/errors';

export interface LeaseResults {
  results: { lease: string; ok: boolean; error?: 'conflict' }[];
}

/** One result for each lease. Throws `conflict`, with the results, when none was good: then nothing has changed. */
export function leaseResultsOf(leases: readonly string[], good: readonly boolean[]): LeaseResults {
  const results = leases.map((lease, index) =>
    good[index] === true ? { lease, ok: true } : { lease, ok: false, error: 'conflict' as const },
  );
  if (good.includes(true)) return { results };
  throw new RonError('conflict', 'the lease has ended: the message was settled, given to another or removed', {
    details: { results },
  });
}
