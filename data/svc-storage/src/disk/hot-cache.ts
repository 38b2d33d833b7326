import type { Address } from '@ron/naming';

/**
 * Verified bytes of whole objects, in RAM. What is read once goes through a small part first, so that a walk over
 * everything does not drive out what is read again and again.
 */
export class HotCache {
  readonly #bytesMax: number;
  readonly #newcomersMax: number;
  readonly #newcomers = new Map<Address, Uint8Array>();
  readonly #proven = new Map<Address, Uint8Array>();
  #newcomerBytes = 0;
  #provenBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#newcomersMax = Math.floor(bytesMax / 4);
  }

  get bytes(): number {
    return this.#newcomerBytes + this.#provenBytes;
  }

  get(address: Address): Uint8Array | undefined {
    const proven = this.#proven.get(address);
    if (proven !== undefined) {
      this.#proven.delete(address);
      this.#proven.set(address, proven);
      return proven;
    }
    const bytes = this.#newcomers.get(address);
    if (bytes === undefined) return undefined;
    this.#newcomers.delete(address);
    this.#newcomerBytes -= bytes.byteLength;
    this.#proven.set(address, bytes);
    this.#provenBytes += bytes.byteLength;
    this.#provenBytes -= shrink(this.#proven, this.#provenBytes, this.#bytesMax - this.#newcomersMax);
    return bytes;
  }

  /** The bytes must never change again. */
  add(address: Address, bytes: Uint8Array): void {
    if (bytes.byteLength > this.#newcomersMax || this.#proven.has(address) || this.#newcomers.has(address)) return;
    this.#newcomers.set(address, bytes);
    this.#newcomerBytes += bytes.byteLength;
    this.#newcomerBytes -= shrink(this.#newcomers, this.#newcomerBytes, this.#newcomersMax);
  }

  forget(address: Address): void {
    if (!this.#proven.has(address) && !this.#newcomers.has(address)) return;
    this.#provenBytes -= this.#proven.get(address)?.byteLength ?? 0;
    this.#newcomerBytes -= this.#newcomers.get(address)?.byteLength ?? 0;
    this.#proven.delete(address);
    this.#newcomers.delete(address);
  }
}

/** Brings `used` below `limit`, oldest first, with some room to spare: each walk over a map has its price. */
function shrink(entries: Map<Address, Uint8Array>, used: number, limit: number): number {
  if (used <= limit) return 0;
  const wanted = used - limit + Math.floor(limit / 16);
  let gone = 0;
  for (const [address, bytes] of entries) {
    if (gone >= wanted) break;
    entries.delete(address);
    gone += bytes.byteLength;
  }
  return gone;
}
