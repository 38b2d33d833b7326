import type { Clock } from '@ron/kernel';
import type { BlobEngine } from '../engine.ts';
import { Pacer, type PacerLimits } from '../pacer.ts';
import type { StorageHandler } from './operation.ts';

const pageMax = 1_000;

/** In address order; the cursor is the last address of the page before. */
export function quarantined(blobs: BlobEngine, clock: Clock, limits: () => PacerLimits): StorageHandler<'quarantined'> {
  return async ({ cursor = '' }, call) => {
    if (blobs.usage().quarantined === 0) return { addresses: [] };
    const pacer = new Pacer(clock, limits, call.context.signal);
    let found: string[] = [];
    for (const object of blobs.entries()) {
      if (object.state === 'quarantined' && object.address > cursor) found.push(object.address);
      // Keeps the smallest page and one more, which says that there is a next page.
      if (found.length > pageMax * 4) found = found.sort().slice(0, pageMax + 1);
      if (pacer.due()) await pacer.pause();
    }
    found.sort();
    const addresses = found.slice(0, pageMax);
    return found.length > pageMax ? { addresses, cursor: addresses.at(-1)! } : { addresses };
  };
}
