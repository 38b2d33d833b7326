import type { Clock } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';
import { overlayLimits } from '@ron/proto/overlay';

/** Of the whole window; so many origins at least have to work together to fill it. */
const originShare = 1 / 16;

/**
 * The messages that were taken while they could still be taken again. It never forgets one early: when it is full, new ones are refused, and
 * so no message comes twice, whatever else is sent.
 */
export class SeenWindow {
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #countMax: () => number;
  /** Id → until when it could be taken. In the order in which they came. */
  readonly #seen = new Map<string, { readonly untilMs: number; readonly origin: NodeId }>();
  readonly #byOrigin = new Map<NodeId, number>();

  constructor(clock: Pick<Clock, 'wallMs'>, countMax: () => number) {
    this.#clock = clock;
    this.#countMax = countMax;
  }

  get size(): number {
    return this.#seen.size;
  }

  has(id: string): boolean {
    return this.#seen.has(id);
  }

  hasRoomFor(origin: NodeId): boolean {
    this.#forget();
    const countMax = this.#countMax();
    return this.#seen.size < countMax && (this.#byOrigin.get(origin) ?? 0) < Math.max(1, countMax * originShare);
  }

  add(id: string, origin: NodeId, issuedAtMs: number): void {
    this.#seen.set(id, { untilMs: issuedAtMs + overlayLimits.gossipAgeMsMax, origin });
    this.#byOrigin.set(origin, (this.#byOrigin.get(origin) ?? 0) + 1);
  }

  /** Ids came in nearly the order of their ends: one with a later end holds those behind it for the clocks' difference at most. */
  #forget(): void {
    const nowMs = this.#clock.wallMs();
    for (const [id, { untilMs, origin }] of this.#seen) {
      if (untilMs >= nowMs) return;
      this.#seen.delete(id);
      const left = (this.#byOrigin.get(origin) ?? 1) - 1;
      if (left === 0) this.#byOrigin.delete(origin);
      else this.#byOrigin.set(origin, left);
    }
  }
}
