/** Just enough of the WebAssembly binary format (core specification, chapter 5) for one function of SIMD code. */

const I32 = 0x7f;
const V128 = 0x7b;
const SIMD_PREFIX = 0xfd;

/** Writes instructions one after the other; every method returns the writer. */
export class Assembler {
  readonly bytes: number[] = [];

  raw(...bytes: number[]): this {
    for (const byte of bytes) this.bytes.push(byte);
    return this;
  }

  /** LEB128, as WebAssembly writes sizes, indices and opcodes. */
  unsigned(value: number): this {
    let left = value;
    for (; left >= 128; left >>>= 7) this.bytes.push((left & 127) | 128);
    this.bytes.push(left);
    return this;
  }

  get(local: number): this {
    return this.raw(0x20).unsigned(local);
  }

  set(local: number): this {
    return this.raw(0x21).unsigned(local);
  }

  tee(local: number): this {
    return this.raw(0x22).unsigned(local);
  }

  /** An integer constant between 0 and 8191: the two-byte form, whose sign bit is clear. */
  integer(value: number): this {
    return this.raw(0x41, (value & 127) | 128, value >>> 7);
  }

  simd(opcode: number): this {
    return this.raw(SIMD_PREFIX).unsigned(opcode);
  }

  load(offset: number): this {
    return this.simd(0x00).raw(0).unsigned(offset);
  }

  store(offset: number): this {
    return this.simd(0x0b).raw(0).unsigned(offset);
  }

  words(words: readonly number[]): this {
    this.simd(0x0c);
    for (const word of words) this.raw(word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24);
    return this;
  }

  /** The same integer in all four lanes. */
  splat(local: number): this {
    return this.get(local).simd(0x11);
  }

  /** Picks four words: 0–3 of the first operand, 4–7 of the second. */
  shuffle(words: readonly number[]): this {
    this.simd(0x0d);
    for (const word of words) this.raw(word * 4, word * 4 + 1, word * 4 + 2, word * 4 + 3);
    return this;
  }

  /** Turns each word of a local right by whole bytes: one shuffle of the operand with itself. */
  rotateBytes(local: number, count: number): this {
    this.get(local).get(local).simd(0x0d);
    for (let byte = 0; byte < 16; byte++) this.raw((byte & 12) + ((byte + count) & 3));
    return this;
  }

  rotateBits(local: number, count: number): this {
    this.get(local).integer(count).simd(0xad);
    return this.get(local)
      .integer(32 - count)
      .simd(0xab)
      .or();
  }

  lessUnsigned(): this {
    return this.simd(0x3a);
  }

  or(): this {
    return this.simd(0x50);
  }

  xor(): this {
    return this.simd(0x51);
  }

  add(): this {
    return this.simd(0xae);
  }

  subtract(): this {
    return this.simd(0xb1);
  }

  multiply(): this {
    return this.simd(0xb5);
  }
}

/**
 * A module with one function of integer parameters and no result, then `integers` and `vectors` as locals, that is
 * exported as `name` beside its `memory` of exactly `pages` × 64 KiB.
 */
export function assembleModule(
  name: string,
  shape: { readonly parameters: number; readonly integers: number; readonly vectors: number; readonly pages: number },
  instructions: Assembler,
): Uint8Array<ArrayBuffer> {
  const module = new Assembler().raw(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
  const section = (id: number, body: Assembler) => append(module.raw(id).unsigned(body.bytes.length), body);
  const type = new Assembler().raw(1, 0x60).unsigned(shape.parameters);
  for (let parameter = 0; parameter < shape.parameters; parameter++) type.raw(I32);
  section(1, type.raw(0));
  section(3, new Assembler().raw(1, 0));
  section(5, new Assembler().raw(1, 0x01).unsigned(shape.pages).unsigned(shape.pages));
  section(7, exported(exported(new Assembler().raw(2), 'memory', 0x02), name, 0x00));
  const body = new Assembler().raw(2).unsigned(shape.integers).raw(I32).unsigned(shape.vectors).raw(V128);
  append(body, instructions).raw(0x0b);
  section(10, append(new Assembler().raw(1).unsigned(body.bytes.length), body));
  return Uint8Array.from(module.bytes);
}

function exported(section: Assembler, name: string, kind: number): Assembler {
  section.unsigned(name.length);
  for (let index = 0; index < name.length; index++) section.raw(name.charCodeAt(index));
  return section.raw(kind, 0);
}

function append(target: Assembler, source: Assembler): Assembler {
  for (const byte of source.bytes) target.bytes.push(byte);
  return target;
}
