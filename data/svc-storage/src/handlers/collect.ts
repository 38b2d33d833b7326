import type { Collector } from '../collector.ts';
import type { StorageMeters } from '../meters.ts';
import type { StorageHandler } from './operation.ts';

export function collect(collector: Collector, meters: StorageMeters, stop: AbortSignal): StorageHandler<'collect'> {
  return async (input, call) => {
    const dryRun = input.dry_run ?? false;
    try {
      const collected = await collector.collect(dryRun, call.context, stop);
      if (!dryRun) meters.collected('done', collected.trashed, collected.purged, collected.purged_bytes);
      return collected;
    } catch (error) {
      if (!dryRun) meters.collected('failed', 0, 0, 0);
      throw error;
    }
  };
}
