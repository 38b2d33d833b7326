import type { Clock, Timer } from '../env/clock.ts';

const delayMsMax = 2 ** 31 - 1;

export function createRealClock(): Clock {
  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after(delayMs: number, task: () => void): Timer {
      // Node turns a delay out of range into 1 ms: a deadline would fire at once.
      if (!(delayMs >= 0 && delayMs <= delayMsMax)) throw new RangeError(`delay ${delayMs} ms is out of range`);
      const handle = setTimeout(task, delayMs);
      handle.unref();
      return { cancel: () => clearTimeout(handle) };
    },
  };
}
