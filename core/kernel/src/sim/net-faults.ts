import type { SimRandom } from './random.ts';

export type NetFault = 'partitioned' | 'delayed' | 'reset' | 'refused';

/** A lost packet on a byte stream is sent again: what the program sees is a delay of one retransmission time. */
export const retransmitMs = 200;

/** The faults between the nodes of a simulation and how often each has fired. */
export class NetFaults {
  /** Virtual milliseconds one way, uniform. With 0 and 0 bytes arrive in a microtask and no scheduler is needed. */
  latencyMs: readonly [number, number] = [0, 0];
  /** Probability that a piece is lost once, and so late by 200 ms. */
  lossRate = 0;
  /** Probability that a write breaks its connection. */
  resetRate = 0;
  readonly random: SimRandom;
  readonly fired = new Map<NetFault, number>();
  readonly #cuts = new Set<string>();
  readonly #onHeal = new Set<() => void>();

  constructor(random: SimRandom) {
    this.random = random;
  }

  note(fault: NetFault): void {
    this.fired.set(fault, (this.fired.get(fault) ?? 0) + 1);
  }

  /** Nothing passes between the two nodes until `heal`: bytes wait, new connections time out. */
  partition(a: string, b: string): void {
    this.#cuts.add(pair(a, b));
  }

  heal(a: string, b: string): void {
    this.#cuts.delete(pair(a, b));
    this.#wake();
  }

  healAll(): void {
    this.#cuts.clear();
    this.#wake();
  }

  isCut(a: string, b: string): boolean {
    return this.#cuts.has(pair(a, b));
  }

  /** Runs at the next heal, of whatever pair. */
  afterHeal(task: () => void): void {
    this.#onHeal.add(task);
  }

  delayMs(): number {
    const [low, high] = this.latencyMs;
    let delay = high > 0 ? low + this.random.unit() * (high - low) : 0;
    if (this.lossRate > 0 && this.random.chance(this.lossRate)) {
      this.note('delayed');
      delay += retransmitMs;
    }
    return delay;
  }

  #wake(): void {
    const tasks = [...this.#onHeal];
    this.#onHeal.clear();
    for (const task of tasks) task();
  }
}

function pair(a: string, b: string): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}
