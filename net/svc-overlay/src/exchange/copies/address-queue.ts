/** One thing at a time for each address; bounded by the calls in flight, each of which waits for its turn. */
export class AddressQueue {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(address: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(address);
    const running = before === undefined ? work() : before.then(work, work);
    this.#last.set(address, running);
    try {
      return await running;
    } finally {
      if (this.#last.get(address) === running) this.#last.delete(address);
    }
  }
}
