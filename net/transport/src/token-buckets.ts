import type { Clock } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';

/** Nodes whose buckets are kept; the one that asked longest ago is forgotten, and its bucket would be full again or it waits. */
const bucketsMax = 4_096;

interface Bucket {
  tokens: number;
  atMs: number;
}

/** A token bucket for each node, `burst` deep at first. */
export class TokenBuckets {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #perSecond: () => number;
  readonly #burst: () => number;
  readonly #buckets = new Map<NodeId, Bucket>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, perSecond: () => number, burst: () => number = perSecond) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes `count` tokens, all or none. Gives 0, or the milliseconds after which they are there. */
  take(id: NodeId, count = 1): number {
    const nowMs = this.#clock.monotonicMs();
    const [rate, burst] = [this.#perSecond(), this.#burst()];
    const bucket = this.#buckets.get(id) ?? { tokens: burst, atMs: nowMs };
    this.#buckets.delete(id);
    this.#buckets.set(id, bucket);
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * rate) / 1_000);
    bucket.atMs = nowMs;
    if (this.#buckets.size > bucketsMax) this.#forgetOldest();
    if (bucket.tokens < count) return Math.max(1, Math.ceil(((count - bucket.tokens) * 1_000) / rate));
    bucket.tokens -= count;
    return 0;
  }

  #forgetOldest(): void {
    for (const id of this.#buckets.keys()) {
      this.#buckets.delete(id);
      return;
    }
  }
}
