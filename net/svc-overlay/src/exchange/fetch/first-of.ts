import type { Clock, Timer } from '@ron/kernel';
import type { FetchLimits } from './fetch-limits.ts';
import { busyMs, following, isAbsence, lieOf } from './slice-stream.ts';
import type { SourcePool } from './source-pool.ts';

export interface FirstOfOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly pool: SourcePool;
  readonly limits: FetchLimits;
  readonly signal: AbortSignal;
}

/** Asks one source and verifies what it says. Rejects with what went wrong, a `VerificationError` where the source lied. */
export type AskSource<T> = (node: string, own: AbortController) => Promise<T>;

/**
 * The first answer that holds. Asks one source, another whenever nothing came for `hedgeMs`, at most three at a time. Throws
 * when nobody is left.
 */
export async function firstOf<T>(options: FirstOfOptions, ask: AskSource<T>): Promise<T> {
  const { pool, clock, limits } = options;
  using stop = following(options.signal);
  const { signal } = stop.controller;
  const asked = new Set<string>();
  /** Who did not have it, and when to ask again: it is no fault of a source that has a part only. */
  const askAgainMs = new Map<string, number>();
  let answer: { readonly value: T } | undefined;
  let wake = (): void => undefined;
  const onAbort = () => wake();
  signal.addEventListener('abort', onAbort, { once: true });
  using _listening = pool.listen(() => wake());
  const attempt = async (node: string): Promise<void> => {
    const outcome = await attemptOne(node, { ...options, signal }, ask);
    if (outcome === 'absent') askAgainMs.set(node, clock.monotonicMs() + limits.refreshMs);
    else answer ??= outcome;
    asked.delete(node);
    wake();
  };
  let hedgeAtMs = Number.NEGATIVE_INFINITY;
  try {
    while (answer === undefined) {
      if (signal.aborted) throw signal.reason;
      pool.poll();
      const nowMs = clock.monotonicMs();
      const free = pool.ready.filter((node) => !asked.has(node));
      const next = free.find((node) => (askAgainMs.get(node) ?? 0) <= nowMs);
      if (asked.size === 0 && next === undefined) pool.refuseIfNoneLeft();
      if (next !== undefined && (asked.size === 0 || (asked.size < attemptsMax && hedgeAtMs <= nowMs))) {
        hedgeAtMs = nowMs + limits.hedgeMs;
        asked.add(next);
        void attempt(next);
        continue;
      }
      let untilMs = pool.wakeAtMs();
      if (next !== undefined && asked.size < attemptsMax) untilMs = Math.min(untilMs, hedgeAtMs);
      for (const node of free) untilMs = Math.min(untilMs, askAgainMs.get(node) ?? Number.POSITIVE_INFINITY);
      let timer: Timer | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        timer = clock.after(Math.min(limits.progressMs, Math.max(1, Math.ceil(untilMs - nowMs))), resolve);
      });
      timer?.cancel();
    }
    return answer.value;
  } finally {
    stop.controller.abort(over);
  }
}

const attemptsMax = 3;
const over = new Error('the attempt is over');

/** Undefined when it failed, of which the pool was told. */
async function attemptOne<T>(
  node: string,
  { pool, address, clock, limits, signal }: FirstOfOptions,
  ask: AskSource<T>,
): Promise<{ readonly value: T } | 'absent' | undefined> {
  using own = following(signal);
  const timer = clock.after(limits.groupMs, () => own.controller.abort(over));
  try {
    return { value: await ask(node, own.controller) };
  } catch (error) {
    if (signal.aborted) return undefined;
    if (isAbsence(error)) return 'absent';
    const evidence = lieOf(error, address);
    if (evidence === undefined) pool.fault(node, busyMs(error) ?? 0);
    else pool.liar(node, evidence);
    return undefined;
  } finally {
    timer.cancel();
  }
}
