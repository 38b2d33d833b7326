import type { Address } from '@ron/naming';

/**
 * Addresses by the first 64 bits of their hash, 16 bytes of memory or less for each at the usual fill (11 to 22, three
 * times that for the moment in which it grows). Two addresses with the same 64 bits count as one: the marks of garbage
 * collection may then keep an object too many, never one too few.
 */
export class AddressSet {
  /** Pairs of 32-bit words; the pair 0, 0 is an empty place. */
  #slots = new Uint32Array(2 * 1_024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(address: Address): boolean {
    const { high, low } = wordsOf(address);
    return this.#slots[this.#find(this.#slots, high, low) + 1] !== 0;
  }

  /** Returns false when it was there. */
  add(address: Address): boolean {
    const { high, low } = wordsOf(address);
    const at = this.#find(this.#slots, high, low);
    if (this.#slots[at + 1] !== 0) return false;
    this.#slots[at] = high;
    this.#slots[at + 1] = low;
    this.#size += 1;
    if (this.#size * 10 > (this.#slots.length / 2) * 7) this.#grow();
    return true;
  }

  /** Index of the place that holds the pair, or of the empty place where it belongs. */
  #find(slots: Uint32Array, high: number, low: number): number {
    const places = slots.length / 2;
    // The number of places is a power of two, and hashes need no mixing.
    let place = high & (places - 1);
    while (slots[place * 2 + 1] !== 0) {
      if (slots[place * 2] === high && slots[place * 2 + 1] === low) break;
      place = (place + 1) & (places - 1);
    }
    return place * 2;
  }

  #grow(): void {
    const larger = new Uint32Array(this.#slots.length * 2);
    for (let at = 0; at < this.#slots.length; at += 2) {
      const high = this.#slots[at]!;
      const low = this.#slots[at + 1]!;
      if (low === 0) continue;
      const to = this.#find(larger, high, low);
      larger[to] = high;
      larger[to + 1] = low;
    }
    this.#slots = larger;
  }
}

function wordsOf(address: Address): { readonly high: number; readonly low: number } {
  // A low word of 0 would read as an empty place; giving it the place of 1 only merges two neighbours.
  return { high: Number.parseInt(address.slice(3, 11), 16), low: Number.parseInt(address.slice(11, 19), 16) || 1 };
}
