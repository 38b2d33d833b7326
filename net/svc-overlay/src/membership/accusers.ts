import type { Clock } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';

/** Accusers with a score that is remembered. */
const accusersMax = 4_096;
/** Accusations refuted at once after which a node is not listened to: 5 % loss makes about two an hour. */
export const wrongMax = 20;
const halfLifeMs = 600_000;
/** A refutation counts against the accuser only within so long: what is refuted after a partition was true before. */
export const promptMs = 5_000;

/** Who said of members that they do not answer, and was wrong at once. */
export class Accusers {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #wrong = new Map<NodeId, { score: number; atMs: number }>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#wrong.size;
  }

  /** `heardMs`: when the accusation was heard that has been refuted now. */
  refuted(id: NodeId, heardMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - heardMs > promptMs) return;
    const score = this.#scoreOf(id, nowMs) + 1;
    this.#wrong.delete(id);
    this.#wrong.set(id, { score, atMs: nowMs });
    if (this.#wrong.size <= accusersMax) return;
    for (const oldest of this.#wrong.keys()) {
      this.#wrong.delete(oldest);
      return;
    }
  }

  isBelieved(id: NodeId): boolean {
    return this.#scoreOf(id, this.#clock.monotonicMs()) < wrongMax;
  }

  #scoreOf(id: NodeId, nowMs: number): number {
    const wrong = this.#wrong.get(id);
    return wrong === undefined ? 0 : wrong.score * 2 ** (-(nowMs - wrong.atMs) / halfLifeMs);
  }
}
