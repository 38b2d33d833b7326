import type { SimRandom } from '@ron/kernel/sim';
import type { Cluster } from './cluster.ts';

/** Nodes go, half of them without a word, and as many come. */
export class Churn {
  readonly #cluster: Cluster;
  readonly #random: SimRandom;
  readonly #perHour: number;
  #on = false;
  left = 0;
  joined = 0;

  constructor(cluster: Cluster, random: SimRandom, sharePerHour: number) {
    this.#cluster = cluster;
    this.#random = random;
    this.#perHour = sharePerHour * cluster.nodes.length;
  }

  start(): void {
    this.#on = this.#perHour > 0;
    if (this.#on) this.#plan();
  }

  stop(): void {
    this.#on = false;
  }

  values(): Record<string, number> {
    return this.#perHour > 0 ? { churned_out: this.left, churned_in: this.joined } : {};
  }

  #plan(): void {
    const afterMs = (-Math.log(1 - this.#random.unit()) * 3_600_000) / this.#perHour;
    this.#cluster.network.scheduler.after(afterMs, () => this.#turn(), 'churn');
  }

  #turn(): void {
    if (!this.#on) return;
    const cluster = this.#cluster;
    cluster.remove(cluster.draw(this.#random), this.#random.chance(0.5) ? 'crash' : 'leave');
    this.left++;
    void cluster.join().then(() => {
      this.joined++;
    });
    this.#plan();
  }
}
