import type { Clock, Log } from '@ron/kernel';
import type { PassportStore } from './store/passport-store.ts';

/** Between two sweeps, ms. */
const everyMs = 600_000;

/** Of a clock that was set wrong: what looks expired is kept for so long, or its revocations would be gone once it is right. */
const clockErrorMs = 86_400_000;

/**
 * Drops what has expired, every ten minutes. With more than `crowded` revocations, room counts for more than a clock that
 * may be wrong.
 */
export function keepSwept(store: PassportStore, clock: Clock, log: Log, crowded: () => number): Disposable {
  let stopped = false;
  const sweep = async () => {
    try {
      // In steps, between which others have the table.
      while (!stopped && (await store.sweep(clock.wallMs() - (store.feed.size > crowded() ? 0 : clockErrorMs))));
    } catch (error) {
      log.warn({ err: error }, 'expired passports were not dropped; the next sweep tries again');
    }
    if (!stopped) timer = clock.after(everyMs, () => void sweep());
  };
  let timer = clock.after(everyMs, () => void sweep());
  return {
    [Symbol.dispose]: () => {
      stopped = true;
      timer.cancel();
    },
  };
}
