import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';

/** Peers whose use is remembered; the one not heard of for longest is forgotten first. */
const peersMax = 4_096;

interface Bucket {
  tokens: number;
  atMs: number;
}

/** What one peer may ask: a token bucket for each. */
export class PeerBudget {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #peers = new Map<NodeId, Bucket>();

  constructor(perSecond: number, burst: number, clock: Pick<Clock, 'monotonicMs'>) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#clock = clock;
  }

  /** Throws `quota_exhausted` with the wait. */
  spend(peer: NodeId, cost: number): void {
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#peers.get(peer) ?? { tokens: this.#burst, atMs: nowMs };
    this.#peers.delete(peer);
    this.#peers.set(peer, bucket);
    bucket.tokens = this.#saved(bucket, nowMs);
    bucket.atMs = nowMs;
    if (bucket.tokens < cost) {
      const retryAfterMs = Math.ceil(((cost - bucket.tokens) / this.#perSecond) * 1_000);
      throw new RonError('quota_exhausted', 'this node is asked too much by its peer', { retryAfterMs });
    }
    bucket.tokens -= cost;
    this.#forget(nowMs);
  }

  #saved({ tokens, atMs }: Bucket, nowMs: number): number {
    return Math.min(this.#burst, tokens + ((nowMs - atMs) / 1_000) * this.#perSecond);
  }

  /** Two at most, so that no call is long: peers that saved up all again are as good as new. */
  #forget(nowMs: number): void {
    let looked = 0;
    for (const [peer, bucket] of this.#peers) {
      if (this.#peers.size <= peersMax && this.#saved(bucket, nowMs) < this.#burst) return;
      this.#peers.delete(peer);
      if (++looked === 2) return;
    }
  }
}
