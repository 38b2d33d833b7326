import { compareBytes } from './byte-order.ts';

/** Names of one block; a full one is split in two. */
const blockMax = 512;

/** A set of names in byte order: blocks of sorted names, so an insert moves at most 512 of them. */
export class SortedNames {
  readonly #blocks: string[][] = [[]];

  /** The name must not be there yet. */
  add(name: string): void {
    const at = this.#blockOf(name);
    const block = this.#blocks[at]!;
    block.splice(lowerBound(block, name), 0, name);
    if (block.length > blockMax) this.#blocks.splice(at + 1, 0, block.splice(blockMax / 2));
  }

  /** Names from `start` on, itself included, until the caller stops. */
  *from(start: string): Generator<string> {
    let at = this.#blockOf(start);
    let index = lowerBound(this.#blocks[at]!, start);
    for (; at < this.#blocks.length; at += 1, index = 0) {
      const block = this.#blocks[at]!;
      for (; index < block.length; index += 1) yield block[index]!;
    }
  }

  /** The last block that begins at or before the name, else the first. */
  #blockOf(name: string): number {
    let [low, high] = [0, this.#blocks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (compareBytes(this.#blocks[middle]![0]!, name) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function lowerBound(block: readonly string[], name: string): number {
  let [low, high] = [0, block.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(block[middle]!, name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
