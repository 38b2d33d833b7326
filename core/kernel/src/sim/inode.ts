import type { DiskFaults } from './disk-faults.ts';

type Change = { readonly offset: number; readonly bytes: Uint8Array } | { readonly truncateTo: number };

/** Disks write a sector whole or not at all. */
const sectorBytes = 512;

/** A file's bytes, twice: as the process sees them and as they would be found after a power cut. */
export class SimInode {
  #seen = new Uint8Array(0);
  #size = 0;
  #durable = new Uint8Array(0);
  #durableSize = 0;
  #pending: Change[] = [];

  get size(): number {
    return this.#size;
  }

  read(into: Uint8Array, offset: number): number {
    const count = Math.max(0, Math.min(into.byteLength, this.#size - offset));
    into.set(this.#seen.subarray(offset, offset + count));
    return count;
  }

  write(bytes: Uint8Array, offset: number): void {
    // `slice` of a Buffer would only be another view of memory that the caller uses again.
    const copy = new Uint8Array(bytes);
    this.#seen = put(this.#seen, this.#size, copy, offset);
    this.#size = Math.max(this.#size, offset + copy.byteLength);
    this.#pending.push({ offset, bytes: copy });
  }

  truncate(size: number): void {
    this.#seen = resize(this.#seen, this.#size, size);
    this.#size = size;
    this.#pending.push({ truncateTo: size });
  }

  sync(): void {
    for (const change of this.#pending) this.#settle(change);
    this.#pending = [];
  }

  /** The system forgets what it could not write: a later sync that succeeds says nothing about it. */
  failSync(faults: DiskFaults): void {
    for (const change of this.#pending) {
      if (faults.random.chance(0.5)) this.#settle(change);
      else faults.note('dropped_by_failed_sync');
    }
    this.#pending = [];
  }

  /** Each unsynced change was written, or not, or in part: there is no order between them. */
  crash(faults: DiskFaults): void {
    for (const change of this.#pending) {
      const fate = faults.random.integer(3);
      if (fate === 0) faults.note('lost_write');
      else if (fate === 1 || !('bytes' in change) || change.bytes.byteLength <= 1) this.#settle(change);
      else this.#tear(change.offset, change.bytes, faults);
    }
    this.#pending = [];
    this.#seen = this.#durable.slice(0, this.#durableSize);
    this.#size = this.#durableSize;
  }

  /** What the platter does by itself. */
  flipBit(offset: number, bit: number): void {
    if (offset < this.#size) this.#seen[offset] = (this.#seen[offset] as number) ^ (1 << bit);
    if (offset < this.#durableSize) this.#durable[offset] = (this.#durable[offset] as number) ^ (1 << bit);
  }

  #tear(offset: number, bytes: Uint8Array, faults: DiskFaults): void {
    faults.note('torn_write');
    for (let at = 0; at < bytes.byteLength; ) {
      const end = Math.min(bytes.byteLength, at + sectorBytes - ((offset + at) % sectorBytes));
      if (faults.random.chance(0.5)) this.#settle({ offset: offset + at, bytes: bytes.subarray(at, end) });
      at = end;
    }
  }

  #settle(change: Change): void {
    if ('bytes' in change) {
      this.#durable = put(this.#durable, this.#durableSize, change.bytes, change.offset);
      this.#durableSize = Math.max(this.#durableSize, change.offset + change.bytes.byteLength);
    } else {
      this.#durable = resize(this.#durable, this.#durableSize, change.truncateTo);
      this.#durableSize = change.truncateTo;
    }
  }
}

function put(
  buffer: Uint8Array<ArrayBuffer>,
  size: number,
  bytes: Uint8Array,
  offset: number,
): Uint8Array<ArrayBuffer> {
  const room = reserve(buffer, size, offset + bytes.byteLength);
  room.set(bytes, offset);
  return room;
}

function resize(buffer: Uint8Array<ArrayBuffer>, size: number, wanted: number): Uint8Array<ArrayBuffer> {
  const room = reserve(buffer, size, wanted);
  // What is cut off must read as zeros when the file grows again.
  room.fill(0, Math.min(size, wanted));
  return room;
}

function reserve(buffer: Uint8Array<ArrayBuffer>, size: number, wanted: number): Uint8Array<ArrayBuffer> {
  if (wanted <= buffer.byteLength) return buffer;
  const room = new Uint8Array(Math.max(wanted, buffer.byteLength * 2, 4096));
  room.set(buffer.subarray(0, size));
  return room;
}
