/** A measurement goes into the average once somebody has waited for so long, in one piece or several. */
const windowMs = 100;
/** Part of a new measurement in the average when less is served than before: half of it is gone after some 200 ms. */
const shareDown = 0.3;
/** When more is: whoever is refused for a rate that has long recovered is refused for nothing. */
const shareUp = 0.7;
/** A measurement says nothing about a time so much later: a backend may have come back, or gone. */
const keepMs = 1_000;

/**
 * Cost that is served in a second while somebody waits; only then does it say what the backends can do. Undefined
 * before the first measurement, and when the last one is a second old.
 */
export class ServiceRate {
  #rate: number | undefined;
  #measuredMs = Number.NEGATIVE_INFINITY;
  /** Somebody waits since. */
  #startMs: number | undefined;
  /** Of the waits before that one, since the last measurement. */
  #waitedMs = 0;
  #served = 0;
  #idleMs = Number.NEGATIVE_INFINITY;

  /** Something began to wait, or goes on waiting. */
  busy(nowMs: number): void {
    if (this.#startMs !== undefined) return;
    this.#startMs = nowMs;
    if (nowMs - this.#idleMs < keepMs) return;
    this.#waitedMs = 0;
    this.#served = 0;
  }

  /** Nobody waits any more. */
  idle(nowMs: number): void {
    this.measure(nowMs);
    if (this.#startMs !== undefined) this.#waitedMs += nowMs - this.#startMs;
    this.#startMs = undefined;
    this.#idleMs = nowMs;
  }

  served(cost: number, nowMs: number): void {
    if (this.#startMs === undefined) return;
    this.#served += cost;
    this.measure(nowMs);
  }

  /** Cost a second. */
  perSecond(nowMs: number): number | undefined {
    return nowMs - this.#measuredMs < keepMs ? this.#rate : undefined;
  }

  /**
   * Time passes. A window in which nothing at all is served is a standstill, and says nothing of what comes after it: a backend
   * is gone, and another one takes over. Who waits for longer than a second of it is refused for the wait itself.
   */
  measure(nowMs: number): void {
    if (this.#startMs === undefined) return;
    const elapsedMs = this.#waitedMs + nowMs - this.#startMs;
    if (elapsedMs < windowMs) return;
    if (this.#served === 0) {
      this.#startMs = nowMs;
      this.#waitedMs = 0;
      return;
    }
    const now = (this.#served * 1_000) / elapsedMs;
    const before = this.perSecond(nowMs);
    this.#rate = before === undefined ? now : before + (now > before ? shareUp : shareDown) * (now - before);
    this.#measuredMs = nowMs;
    this.#startMs = nowMs;
    this.#waitedMs = 0;
    this.#served = 0;
  }
}
