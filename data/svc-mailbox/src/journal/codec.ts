const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Writes little-endian fields one after the other into memory that it takes anew when it is used up. */
export class FieldWriter {
  #bytes = new Uint8Array(65_536);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #at = 0;

  u8(value: number): void {
    this.#need(1);
    this.#bytes[this.#at++] = value;
  }

  u32(value: number): void {
    this.#need(4);
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  f64(value: number): void {
    this.#need(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** Characters 0 to 255, as many as the reader knows. */
  latin(text: string): void {
    this.#need(text.length);
    for (let index = 0; index < text.length; index += 1) this.#bytes[this.#at++] = text.charCodeAt(index);
  }

  text(text: string): void {
    this.#need(4 + text.length * 3);
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(this.#at + 4));
    this.u32(written);
    this.#at += written;
  }

  bytes(bytes: Uint8Array): void {
    this.u32(bytes.byteLength);
    this.#need(bytes.byteLength);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.byteLength;
  }

  /** What was written since the last call; nobody writes to it again. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(this.#start, this.#at);
    this.#start = this.#at;
    return taken;
  }

  #need(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.byteLength) return;
    const begun = this.#bytes.subarray(this.#start, this.#at);
    const next = new Uint8Array(Math.max(65_536, (begun.byteLength + bytes) * 2));
    next.set(begun);
    this.#bytes = next;
    this.#view = new DataView(next.buffer);
    this.#start = 0;
    this.#at = begun.byteLength;
  }
}

/** Reads what `FieldWriter` wrote. Throws `RangeError` or `TypeError` for bytes that are something else. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  u8(): number {
    return this.#view.getUint8(this.#at++);
  }

  u32(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  f64(): number {
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  latin(length: number): string {
    return String.fromCharCode(...this.#take(length));
  }

  text(): string {
    return decoder.decode(this.#take(this.u32()));
  }

  /** A copy. */
  bytes(): Uint8Array {
    return this.#take(this.u32()).slice();
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.byteLength) throw new RangeError('the record ends too early');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
