import type { Metrics } from '@ron/kernel';

/** What the cache counts about itself; `usage` answers from the same numbers. */
export interface GroupMeters {
  hit(tier: 'ram' | 'disk'): void;
  miss(): void;
  fetched(bytes: number): void;
  integrityFailed(source: string): void;
  readonly counts: Readonly<GroupCounts>;
}

export interface GroupCounts {
  ramHits: number;
  diskHits: number;
  misses: number;
  fetchedBytes: number;
  integrityFailures: number;
}

export function createGroupMeters(metrics: Metrics | undefined): GroupMeters {
  const counts: GroupCounts = { ramHits: 0, diskHits: 0, misses: 0, fetchedBytes: 0, integrityFailures: 0 };
  const hits = metrics?.counter('edge_hits_total', 'Groups answered from a tier', ['tier']);
  const ram = hits?.labels({ tier: 'ram' });
  const disk = hits?.labels({ tier: 'disk' });
  const misses = metrics?.counter('edge_misses_total', 'Groups that had to be fetched').labels();
  const bytes = metrics?.counter('edge_fetched_bytes_total', 'Verified bytes taken from sources').labels();
  const failed = metrics?.counter('edge_integrity_fail_total', 'What a source sent and did not verify', ['source']);
  return {
    counts,
    hit(tier) {
      if (tier === 'ram') counts.ramHits += 1;
      else counts.diskHits += 1;
      (tier === 'ram' ? ram : disk)?.inc();
    },
    miss() {
      counts.misses += 1;
      misses?.inc();
    },
    fetched(length) {
      counts.fetchedBytes += length;
      bytes?.inc(length);
    },
    integrityFailed(source) {
      counts.integrityFailures += 1;
      failed?.labels({ source }).inc();
    },
  };
}
