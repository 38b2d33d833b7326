import type { Metrics } from '@ron/kernel';
import type { BlobEngine, JournalCounts } from './engine.ts';

/** What this service counts beside the template's own metrics. */
export interface StorageMeters extends Disposable {
  integrityFailed(): void;
  collected(outcome: 'done' | 'failed', trashed: number, purged: number, purgedBytes: number): void;
}

export function createStorageMeters(metrics: Metrics, blobs: BlobEngine, uploads: () => number): StorageMeters {
  const integrity = metrics.counter('integrity_fail_total', 'Reads whose stored bytes failed verification').labels();
  const runs = metrics.counter('gc_runs_total', 'Garbage collections, dry runs excluded', ['outcome']);
  const trashed = metrics.counter('gc_trashed_total', 'Objects moved to the trash by collections').labels();
  const purged = metrics.counter('gc_purged_total', 'Objects purged from the trash').labels();
  const purgedBytes = metrics.counter('gc_purged_bytes_total', 'Bytes purged from the trash').labels();
  const objects = metrics.gauge('storage_objects', 'Objects in any state').labels();
  const bytes = metrics.gauge('storage_bytes', 'Bytes used of the budget').labels();
  const bytesMax = metrics.gauge('storage_bytes_max', 'The budget in bytes').labels();
  const trashObjects = metrics.gauge('storage_trash_objects', 'Objects in the trash').labels();
  const trashBytes = metrics.gauge('storage_trash_bytes', 'Bytes of objects in the trash').labels();
  const quarantined = metrics.gauge('storage_quarantined_objects', 'Objects whose bytes are damaged').labels();
  const unfinished = metrics.gauge('storage_uploads', 'Unfinished uploads').labels();
  const journal = blobs.journalCounts === undefined ? undefined : journalMeter(metrics, () => blobs.journalCounts!());
  const refresh = metrics.onCollect(() => {
    journal?.();
    const usage = blobs.usage();
    objects.set(usage.objects);
    bytes.set(usage.bytes);
    bytesMax.set(usage.bytesMax);
    trashObjects.set(usage.trashObjects);
    trashBytes.set(usage.trashBytes);
    quarantined.set(usage.quarantined);
    unfinished.set(uploads());
  });
  return {
    integrityFailed: () => integrity.inc(),
    collected(outcome, trashedCount, purgedCount, purgedByteCount) {
      runs.labels({ outcome }).inc();
      trashed.inc(trashedCount);
      purged.inc(purgedCount);
      purgedBytes.inc(purgedByteCount);
    },
    [Symbol.dispose]: () => refresh[Symbol.dispose](),
  };
}

/** The engine counts on its own; the difference to the last look is added. */
function journalMeter(metrics: Metrics, read: () => JournalCounts): () => void {
  const syncs = metrics.counter('journal_syncs_total', 'Syncs of the journal of objects').labels();
  const bytes = metrics.counter('journal_bytes_total', 'Bytes written to the journal of objects').labels();
  let seen: JournalCounts = { syncs: 0, bytes: 0 };
  return () => {
    const now = read();
    syncs.inc(now.syncs - seen.syncs);
    bytes.inc(now.bytes - seen.bytes);
    seen = now;
  };
}
