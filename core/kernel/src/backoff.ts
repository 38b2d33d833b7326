import type { Random } from './env/random.ts';

export const backoffFirstMs = 100;
export const backoffMaxMs = 30_000;

/**
 * "Full jitter": uniform between nothing and 100 ms × 2ⁿ, at most 30 s, so that what failed together does not return together.
 * M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
 */
export function fullJitterMs(random: Random, failures: number): number {
  return random.unit() * Math.min(backoffMaxMs, backoffFirstMs * 2 ** Math.min(failures, 20));
}
