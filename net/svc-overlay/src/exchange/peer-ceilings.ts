import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';
import type { ServeLimits } from './serve-ports.ts';
import { TokenBucket } from './token-bucket.ts';

interface Use {
  streams: number;
  readonly bytes: TokenBucket;
  readonly questions: TokenBucket;
}

/** Counts what each node uses. At most `peersMax` are remembered, and those with open streams always are. */
export class PeerCeilings {
  readonly #clock: Clock;
  readonly #limits: () => ServeLimits;
  /** The one that came last stands last. */
  readonly #uses = new Map<NodeId, Use>();
  #streams = 0;

  constructor(clock: Clock, limits: () => ServeLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get streams(): number {
    return this.#streams;
  }

  get peers(): number {
    return this.#uses.size;
  }

  /** Throws `quota_exhausted` with the wait. */
  question(from: NodeId, cost: number): void {
    const waitMs = this.#use(from).questions.take(cost);
    if (waitMs > 0) throw new RonError('quota_exhausted', 'too many questions: wait', { retryAfterMs: waitMs });
  }

  /** Throws `quota_exhausted` when the node, `unavailable` when all nodes, have as many streams as there may be. */
  open(from: NodeId): StreamSlot {
    const use = this.#use(from);
    if (use.streams >= this.#limits().streamsPerPeerMax) {
      throw new RonError('quota_exhausted', 'too many streams of this node: end one first', { retryAfterMs });
    }
    if (this.#streams >= this.#limits().streamsMax) {
      throw new RonError('unavailable', 'too many streams: try later, or another node', { retryAfterMs });
    }
    use.streams += 1;
    this.#streams += 1;
    let isOpen = true;
    return {
      paceMs: (bytes) => use.bytes.take(bytes),
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        use.streams -= 1;
        this.#streams -= 1;
      },
    };
  }

  #use(from: NodeId): Use {
    const known = this.#uses.get(from);
    if (known !== undefined) {
      this.#uses.delete(from);
      this.#uses.set(from, known);
      return known;
    }
    if (this.#uses.size >= this.#limits().peersMax) this.#forgetOne();
    const use = {
      streams: 0,
      bytes: new TokenBucket(this.#clock, () => this.#limits().bytesPerSecondPerPeer, 0.25),
      questions: new TokenBucket(this.#clock, () => this.#limits().questionsPerSecondPerPeer, 1),
    };
    this.#uses.set(from, use);
    return use;
  }

  #forgetOne(): void {
    for (const [node, { streams }] of this.#uses) {
      if (streams > 0) continue;
      this.#uses.delete(node);
      return;
    }
    throw new RonError('unavailable', 'too many nodes: try later, or another one', { retryAfterMs });
  }
}

/** A place among the streams. */
export interface StreamSlot {
  /** Counts the bytes and returns 0, or returns the wait in milliseconds. */
  paceMs(bytes: number): number;
  /** Idempotent. */
  close(): void;
}

/** How long streams of this size usually take. */
const retryAfterMs = 250;
