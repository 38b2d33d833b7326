import type { Platform } from './transport.ts';

/** The clock, timers and randomness that browsers and Node share. */
export const webPlatform: Platform = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};
