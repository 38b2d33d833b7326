import { type Clock, sleep } from '@ron/kernel';
import { groupPastEnd } from '@ron/proto/exchange';
import type { FetchLimits } from './fetch-limits.ts';
import type { ExchangePeers } from './fetch-ports.ts';
import { busyMs, following, isAbsence, lieOf, type ProvenEnd, readEnd } from './slice-stream.ts';
import type { SourcePool } from './source-pool.ts';

export interface ProveEndOptions {
  readonly address: string;
  readonly root: Uint8Array;
  readonly clock: Clock;
  readonly peers: ExchangePeers;
  readonly pool: SourcePool;
  readonly limits: FetchLimits;
  readonly signal: AbortSignal;
}

/**
 * The size of an object, proven by its last group: nothing that a node claims about it is used before. Asks one source,
 * another whenever nothing came for `hedgeMs`, at most three at a time. Throws when nobody is left.
 */
export async function proveEnd(options: ProveEndOptions): Promise<ProvenEnd> {
  const { pool, clock, limits } = options;
  using stop = following(options.signal);
  const { signal } = stop.controller;
  const asked = new Set<string>();
  /** Who did not have the last group, and when to ask again: it is no fault of a source that has a part only. */
  const askAgainMs = new Map<string, number>();
  let proven: ProvenEnd | undefined;
  const attempt = async (node: string): Promise<void> => {
    asked.add(node);
    const outcome = await attemptOne(node, { ...options, signal });
    if (outcome === 'absent') askAgainMs.set(node, clock.monotonicMs() + limits.refreshMs);
    else proven ??= outcome;
    asked.delete(node);
  };
  try {
    while (proven === undefined) {
      if (signal.aborted) throw signal.reason;
      pool.poll();
      const nowMs = clock.monotonicMs();
      const next = pool.ready.find((node) => !asked.has(node) && (askAgainMs.get(node) ?? 0) <= nowMs);
      if (asked.size === 0 && next === undefined) pool.refuseIfNoneLeft();
      if (next !== undefined && asked.size < attemptsMax) {
        const waiting = new AbortController();
        const over = attempt(next).finally(() => waiting.abort(attemptOver));
        await Promise.race([over, sleep(clock, limits.hedgeMs, waiting.signal).catch(onlyOver)]);
      } else {
        await sleep(clock, lookMs, signal);
      }
    }
    return proven;
  } finally {
    stop.controller.abort(attemptOver);
  }
}

const attemptsMax = 3;
const lookMs = 20;
const attemptOver = new Error('the attempt is over');

function onlyOver(reason: unknown): void {
  if (reason !== attemptOver) throw reason;
}

/** Undefined when it failed, of which the pool was told. */
async function attemptOne(node: string, options: ProveEndOptions): Promise<ProvenEnd | 'absent' | undefined> {
  const { pool, peers, address, root, clock, limits, signal } = options;
  using own = following(signal);
  const timer = clock.after(limits.groupMs, () => own.controller.abort(attemptOver));
  try {
    const ranges = [{ first: groupPastEnd, count: 1 }];
    const body = await pool.answerOf((asking) => peers.want(node, address, ranges, asking), own.controller);
    return await readEnd(body, root, own.controller.signal);
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
