import type { Scrubber } from '../scrubber.ts';
import type { StorageHandler } from './operation.ts';

export function scrub(scrubber: Scrubber, bytesPerSecond: () => number): StorageHandler<'scrub'> {
  return async (input) => {
    if (input.action === 'start') scrubber.start(input.bytes_per_second ?? bytesPerSecond());
    if (input.action === 'stop') await scrubber.stop();
    return scrubber.status();
  };
}
