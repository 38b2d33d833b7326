import type { Clock } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';

/** For which an offer counts. What is full may have been emptied by then. */
const freshMs = 60_000;
const nodesMax = 4_096;

/** How much space other nodes offer for copies, as they said last. Who has not said is thought to have enough: asking tells. */
export class Offers {
  readonly #clock: Clock;
  readonly #offers = new Map<NodeId, { readonly bytes: number; readonly atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(node: NodeId, bytes: number): void {
    this.#offers.delete(node);
    this.#offers.set(node, { bytes, atMs: this.#clock.monotonicMs() });
    for (const oldest of this.#offers.keys()) {
      if (this.#offers.size <= nodesMax) return;
      this.#offers.delete(oldest);
    }
  }

  freeOf(node: NodeId): number {
    const offer = this.#offers.get(node);
    const isFresh = offer !== undefined && this.#clock.monotonicMs() - offer.atMs < freshMs;
    return isFresh ? offer.bytes : Number.MAX_SAFE_INTEGER;
  }
}
