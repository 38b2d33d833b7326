import { parseAddressBytes } from '@ron/cap/cidr';
import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

export interface StrangerLimits {
  /** Milliseconds of work a second on tokens that this node does not know, for everybody together. */
  readonly workMsPerSecond: number;
  /** Milliseconds of such work that may be done at once: everybody else waits behind it. */
  readonly workMsBurst: number;
  /** The same for the tokens of one network (see `networkOf`) that turned out to be worthless. */
  readonly failedMsPerSecond: number;
  readonly failedMsBurst: number;
  /** Networks whose failures are remembered; further ones share one budget. */
  readonly networksMax: number;
}

/** A quarter of a core for all, a twentieth for one network: a bad Ed25519 chain costs up to 2 ms, a good one 0.3 ms. */
export const strangerLimits: StrangerLimits = {
  workMsPerSecond: 250,
  workMsBurst: 50,
  failedMsPerSecond: 50,
  failedMsBurst: 25,
  networksMax: 4_096,
};

/** What one verification counts at least and at most: clocks are coarse, and another process may have had the core. */
const workMsMin = 0.01;
const workMsMax = 5;
/** Networks that one failure looks at to find room for its own. */
const sweepMax = 64;

interface Budget {
  /** Microseconds of work left; below 0 after the last one. Whole ones, so that the wait that is told is exact. */
  leftUs: number;
  /** The millisecond up to which it was refilled. */
  atMs: number;
}

/**
 * How much a node works for tokens that it has not seen before. Who is known is not asked: strangers cannot take the node
 * away from them. Work is paid afterwards, because nobody knows beforehand what it costs: it begins while something is
 * left. Half of the common budget is kept for networks that have not failed lately.
 */
export class Strangers {
  readonly #clock: Clock;
  readonly #limits: StrangerLimits;
  readonly #common: Budget;
  /** In the order of their latest failure; bounded by `networksMax`. */
  readonly #failed = new Map<string, Budget>();
  readonly #others: Budget;

  constructor(clock: Clock, limits: StrangerLimits = strangerLimits) {
    this.#clock = clock;
    this.#limits = limits;
    const atMs = this.#nowMs();
    this.#common = { leftUs: limits.workMsBurst * 1_000, atMs };
    this.#others = { leftUs: limits.failedMsBurst * 1_000, atMs };
  }

  /** Networks that are remembered now. */
  get remembered(): number {
    return this.#failed.size;
  }

  /**
   * Throws before any work: `quota_exhausted` when the caller's network has used up what its worthless tokens may cost, and
   * `unavailable` when all together have; `retryAfterMs` is the least whole number of milliseconds after which that budget
   * lets the same call through if nobody else comes.
   */
  check(remote: string): void {
    const { workMsPerSecond, workMsBurst, failedMsPerSecond, failedMsBurst } = this.#limits;
    const nowMs = this.#nowMs();
    const own = this.#failed.get(networkOf(remote)) ?? (this.#isFull() ? this.#others : undefined);
    if (own !== undefined) {
      refill(own, nowMs, failedMsPerSecond, failedMsBurst);
      if (own.leftUs <= 0) {
        throw new RonError('quota_exhausted', 'too many capabilities from this network were not valid', {
          retryAfterMs: waitMs(own.leftUs, 0, failedMsPerSecond),
          details: { quota: 'failed_authentications' },
        });
      }
    }
    refill(this.#common, nowMs, workMsPerSecond, workMsBurst);
    const isForgiven = own === undefined || own.leftUs >= failedMsBurst * 1_000;
    const keptUs = isForgiven ? 0 : workMsBurst * 500;
    if (this.#common.leftUs > keptUs) return;
    // The network may be forgiven before the common budget is half full again.
    const forgivenMs = isForgiven ? 0 : Math.ceil((failedMsBurst * 1_000 - own.leftUs) / failedMsPerSecond);
    const emptyMs = this.#common.leftUs > 0 ? 0 : waitMs(this.#common.leftUs, 0, workMsPerSecond);
    throw new RonError('unavailable', 'too many capabilities that are new to this node', {
      retryAfterMs: Math.min(waitMs(this.#common.leftUs, keptUs, workMsPerSecond), Math.max(forgivenMs, emptyMs)),
      details: { gate: 'new_capabilities' },
    });
  }

  /** What one verification cost, and whether it was for nothing. */
  spent(remote: string, elapsedMs: number, failed: boolean): void {
    const workUs = Math.ceil(Math.min(workMsMax, Math.max(workMsMin, elapsedMs)) * 1_000);
    const nowMs = this.#nowMs();
    refill(this.#common, nowMs, this.#limits.workMsPerSecond, this.#limits.workMsBurst);
    this.#common.leftUs -= workUs;
    if (!failed) return;
    const budget = this.#budgetOf(networkOf(remote), nowMs);
    refill(budget, nowMs, this.#limits.failedMsPerSecond, this.#limits.failedMsBurst);
    budget.leftUs -= workUs;
  }

  #nowMs(): number {
    return Math.floor(this.#clock.monotonicMs());
  }

  #isFull(): boolean {
    return this.#failed.size >= this.#limits.networksMax;
  }

  #budgetOf(network: string, nowMs: number): Budget {
    const known = this.#failed.get(network);
    if (known !== undefined) {
      this.#failed.delete(network);
      this.#failed.set(network, known);
      return known;
    }
    if (this.#isFull()) this.#forget(nowMs);
    if (this.#isFull()) return this.#others;
    const fresh = { leftUs: this.#limits.failedMsBurst * 1_000, atMs: nowMs };
    this.#failed.set(network, fresh);
    return fresh;
  }

  /** Only those whose budget is whole again: forgetting them changes nothing. */
  #forget(nowMs: number): void {
    const { failedMsPerSecond, failedMsBurst } = this.#limits;
    let looks = sweepMax;
    for (const [network, budget] of this.#failed) {
      if (looks === 0) return;
      looks -= 1;
      refill(budget, nowMs, failedMsPerSecond, failedMsBurst);
      if (budget.leftUs >= failedMsBurst * 1_000) this.#failed.delete(network);
    }
  }
}

/** Leading bytes of an IPv6 address that name its subnet (RFC 4291, 2.5.4): whoever has one has 2^64 addresses. */
const subnetBytes = 8;
const v4Mapped = '0,0,0,0,0,0,0,0,0,0,255,255,';

/** An IPv4 address, however it is written, or the /64 of an IPv6 one; what is no address, such as `unix`, is itself. */
function networkOf(remote: string): string {
  const bytes = parseAddressBytes(remote);
  if (bytes === undefined) return remote;
  const whole = bytes.join();
  return whole.startsWith(v4Mapped) ? whole : bytes.subarray(0, subnetBytes).join();
}

/** Of a rate in milliseconds a second, each millisecond brings as many microseconds. */
function refill(budget: Budget, nowMs: number, perSecond: number, burstMs: number): void {
  budget.leftUs = Math.min(burstMs * 1_000, budget.leftUs + (nowMs - budget.atMs) * perSecond);
  budget.atMs = nowMs;
}

/** The least whole milliseconds after which more than `keptUs` is left. */
function waitMs(leftUs: number, keptUs: number, perSecond: number): number {
  return Math.floor((keptUs - leftUs) / perSecond) + 1;
}
