/** A fixed number of slots; a push into a full ring gives up the oldest value. */
export class Ring<T> {
  readonly #slots: (T | undefined)[];
  #head = 0;
  #size = 0;

  constructor(capacity: number) {
    this.#slots = new Array<T | undefined>(capacity).fill(undefined);
  }

  get size(): number {
    return this.#size;
  }

  /** True when the oldest value had to go. */
  push(value: T): boolean {
    const slots = this.#slots;
    let tail = this.#head + this.#size;
    if (tail >= slots.length) tail -= slots.length;
    slots[tail] = value;
    if (this.#size < slots.length) {
      this.#size++;
      return false;
    }
    this.#head = this.#head + 1 === slots.length ? 0 : this.#head + 1;
    return true;
  }

  /** Only while `size` is above zero. */
  shift(): T {
    const value = this.#slots[this.#head] as T;
    this.#slots[this.#head] = undefined;
    this.#head = this.#head + 1 === this.#slots.length ? 0 : this.#head + 1;
    this.#size--;
    return value;
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#head = 0;
    this.#size = 0;
  }
}
