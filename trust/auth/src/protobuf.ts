/** The few parts of the protobuf wire format that Biscuit needs. One value has one spelling here: all else is refused. */

export class ProtobufFault extends Error {}

const varintWire = 0;
const lengthWire = 2;
/** Seven bits a byte: below 2^28, far above every number in a token of 4,096 characters. */
const varintBytesMax = 4;

export function encodeVarintField(field: number, value: number): Uint8Array {
  return Uint8Array.from([(field << 3) | varintWire, ...varint(value)]);
}

export function encodeBytesField(field: number, ...pieces: readonly Uint8Array[]): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  return concatBytes([Uint8Array.from([(field << 3) | lengthWire, ...varint(length)]), ...pieces]);
}

export function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

function varint(value: number): readonly number[] {
  const bytes: number[] = [];
  for (let left = value; ; left >>>= 7) {
    if (left < 0x80) return [...bytes, left];
    bytes.push((left & 0x7f) | 0x80);
  }
}

/** Reads fields in the order that the caller asks for them; what it does not ask for is a fault. */
export class MessageReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  /** True when the next field is this one, with a length. */
  nextIs(field: number): boolean {
    return this.#bytes[this.#at] === ((field << 3) | lengthWire);
  }

  /** A view into the message. */
  bytes(field: number, length?: number): Uint8Array {
    if (!this.nextIs(field)) throw new ProtobufFault(`field ${field} is missing`);
    this.#at += 1;
    const size = this.#varint();
    const end = this.#at + size;
    if (end > this.#bytes.byteLength || (length ?? size) !== size) throw new ProtobufFault(`length of field ${field}`);
    const piece = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }

  number(field: number): number {
    if (this.#bytes[this.#at] !== ((field << 3) | varintWire)) missing(field);
    this.#at += 1;
    return this.#varint();
  }

  end(): void {
    if (!this.atEnd) throw new ProtobufFault('more than the message has');
  }

  #varint(): number {
    let value = 0;
    for (let index = 0; index < varintBytesMax; index += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) break;
      this.#at += 1;
      value |= (byte & 0x7f) << (7 * index);
      // A last byte of zero is a longer spelling of the same number.
      if (byte < 0x80) return byte === 0 && index > 0 ? missing(0) : value;
    }
    return missing(0);
  }
}

function missing(field: number): never {
  throw new ProtobufFault(`field ${field} is missing or misspelt`);
}
