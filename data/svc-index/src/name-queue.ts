/** Runs the changes of one name one after the other; different names do not wait for each other. Bounded by the calls in flight. */
export class NameQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  run<T>(name: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(name);
    const result = before === undefined ? task() : before.then(task, task);
    this.#tails.set(name, result);
    const clear = () => {
      if (this.#tails.get(name) === result) this.#tails.delete(name);
    };
    result.then(clear, clear);
    return result;
  }
}
