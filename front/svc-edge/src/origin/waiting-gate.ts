/** How many requests of clients may wait for the origin, or for somebody else's fetch, at a time. */
export const waitersMaxDefault = 8192;

export class WaitingGate {
  readonly waitersMax: number;
  waiting = 0;

  constructor(waitersMax: number) {
    this.waitersMax = waitersMax;
  }

  get isFull(): boolean {
    return this.waiting >= this.waitersMax;
  }

  /** Counts as waiting until it is settled. */
  async hold<T>(pending: Promise<T>): Promise<T> {
    this.waiting++;
    try {
      return await pending;
    } finally {
      this.waiting--;
    }
  }
}
