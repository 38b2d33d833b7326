import { capabilityBytesMax, caveatsMax, tagBytes } from './limits.ts';
import { refuse } from './refuse.ts';

/**
 * The binary form: macaroon v2, reduced to what capabilities need. No location, no third-party caveats, shortest
 * varints only, nothing after the tag: one token has exactly one encoding.
 *
 *     version (02)
 *     02 len identifier 00
 *     ( 02 len caveat 00 )*
 *     00
 *     06 20 tag
 */
export interface Packets {
  readonly identifier: Uint8Array;
  readonly caveats: readonly Uint8Array[];
  readonly tag: Uint8Array;
}

const version = 2;
const endOfSection = 0;
const identifierField = 2;
const tagField = 6;

export function encodePackets(packets: Packets): Uint8Array {
  if (packets.caveats.length > caveatsMax) refuse('cap.caveats', `a capability has at most ${caveatsMax} caveats`);
  const pieces: (Uint8Array | readonly number[])[] = [[version], ...section(packets.identifier)];
  for (const caveat of packets.caveats) pieces.push(...section(caveat));
  pieces.push([endOfSection, tagField, tagBytes], packets.tag);
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (size > capabilityBytesMax) refuse('cap.size', `a capability has at most ${capabilityBytesMax} bytes`);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** The parts are views into `bytes`. Refuses with `bad_request`; work is linear in at most 3,068 bytes. */
export function decodePackets(bytes: Uint8Array): Packets {
  if (bytes.byteLength > capabilityBytesMax) refuse('cap.size', `a capability has at most ${capabilityBytesMax} bytes`);
  const reader = new Reader(bytes);
  if (reader.byte() !== version) refuse('cap.version', 'unknown capability version');
  const identifier = reader.section();
  const caveats: Uint8Array[] = [];
  while (reader.peek() === identifierField) {
    if (caveats.length === caveatsMax) refuse('cap.caveats', `a capability has at most ${caveatsMax} caveats`);
    caveats.push(reader.section());
  }
  if (reader.byte() !== endOfSection) malformed();
  if (reader.byte() !== tagField || reader.byte() !== tagBytes) malformed();
  const tag = reader.take(tagBytes);
  if (!reader.atEnd) malformed();
  return { identifier, caveats, tag };
}

function section(data: Uint8Array): readonly (Uint8Array | readonly number[])[] {
  return [[identifierField, ...varint(data.byteLength)], data, [endOfSection]];
}

/** Lengths here are below 2^14: at most two bytes of seven bits, low bits first. */
function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, value >> 7];
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  peek(): number | undefined {
    return this.#bytes[this.#at];
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) malformed();
    this.#at += 1;
    return byte;
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.byteLength) malformed();
    const piece = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }

  section(): Uint8Array {
    if (this.byte() !== identifierField) malformed();
    const data = this.take(this.#varint());
    if (this.byte() !== endOfSection) malformed();
    return data;
  }

  #varint(): number {
    const low = this.byte();
    if (low < 0x80) return low;
    const high = this.byte();
    // Zero would be a longer spelling of the same number; the top bit a length past every limit.
    if (high === 0 || high >= 0x80) malformed();
    return (low & 0x7f) | (high << 7);
  }
}

function malformed(): never {
  refuse('cap.malformed', 'malformed capability');
}
