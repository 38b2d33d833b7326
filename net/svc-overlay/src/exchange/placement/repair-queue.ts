/**
 * Objects that lack copies, those with the fewest first, otherwise in the order in which they came. Bounded: what finds
 * it full is not kept, and `overflowed` says that all objects must be looked at again.
 */
export class RepairQueue {
  readonly #max: number;
  /** By the number of copies that are left. */
  readonly #byCopies = new Map<number, Set<string>>();
  readonly #copiesOf = new Map<string, number>();
  overflowed = false;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#copiesOf.size;
  }

  /** Adds an object, or moves it when it has another number of copies now. */
  put(address: string, copies: number): void {
    if (this.#copiesOf.get(address) === copies) return;
    this.remove(address);
    if (this.#copiesOf.size >= this.#max) {
      this.overflowed = true;
      return;
    }
    this.#copiesOf.set(address, copies);
    const equals = this.#byCopies.get(copies) ?? new Set();
    this.#byCopies.set(copies, equals.add(address));
  }

  remove(address: string): void {
    const copies = this.#copiesOf.get(address);
    if (copies === undefined) return;
    this.#copiesOf.delete(address);
    const equals = this.#byCopies.get(copies)!;
    equals.delete(address);
    if (equals.size === 0) this.#byCopies.delete(copies);
  }

  /** The next object that `isReady`, removed. Looks at 64 of each number of copies. */
  take(isReady: (address: string) => boolean): string | undefined {
    for (const copies of [...this.#byCopies.keys()].sort((a, b) => a - b)) {
      let looked = 0;
      for (const address of this.#byCopies.get(copies)!) {
        if (isReady(address)) {
          this.remove(address);
          return address;
        }
        if (++looked >= 64) break;
      }
    }
    return undefined;
  }
}
