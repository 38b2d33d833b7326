import type { Clock } from '@ron/kernel';

/**
 * Wall time that does not jump while the process lives: what it was at the start plus what passed since. Ages of
 * trash and uploads are measured on it, so that setting the machine's clock purges nothing early.
 */
export interface SteadyTime {
  nowMs(): number;
}

export function createSteadyTime(clock: Clock): SteadyTime {
  const offsetMs = clock.wallMs() - clock.monotonicMs();
  return { nowMs: () => Math.max(0, Math.round(offsetMs + clock.monotonicMs())) };
}
