import type { NodeId } from '@ron/proto/network';

const scoreMax = 4;
const recentMax = 6;
/** Below this share of recent probes answered, it is rather this node that is cut off. */
const trustedShare = 0.25;

/**
 * Whether this node’s own failed probes say something about others (after Lifeguard: Dadgar, Phillips, Currey 2018). The score stretches
 * the time-outs of probes: 1 to 5 times.
 */
export class LocalHealth {
  #score = 0;
  /** The last outcomes of probes in the ring, and of whom. */
  readonly #recent: { readonly id: NodeId; readonly ok: boolean }[] = [];

  get stretch(): number {
    return 1 + this.#score;
  }

  /** A probe of a member that chance picked. */
  probed(id: NodeId, ok: boolean): void {
    this.#recent.push({ id, ok });
    if (this.#recent.length > recentMax) this.#recent.shift();
  }

  /** Any probe of this node’s. */
  concluded(ok: boolean): void {
    if (ok) this.#score = Math.max(0, this.#score - 1);
  }

  /** A sign that the trouble is here: even those who were asked to try did not answer, or somebody accused us. */
  worsen(): void {
    this.#score = Math.min(scoreMax, this.#score + 1);
  }

  /** Whether this node may testify against `id`: it does reach others, or there are none. */
  mayTestify(id: NodeId): boolean {
    const others = this.#recent.filter((outcome) => outcome.id !== id);
    return others.length === 0 || others.filter(({ ok }) => ok).length >= trustedShare * others.length;
  }
}
