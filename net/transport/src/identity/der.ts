/** The few tags of DER (ITU-T X.690) that a certificate of ours has. */
export const derTag = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8: 0x0c,
  boolean: 0x01,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
} as const;

/** @throws RangeError past 64 KiB − 1 of content: nothing here comes near it. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const contentBytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (contentBytes > 0xffff) throw new RangeError('too long for this encoder');
  const length =
    contentBytes < 0x80
      ? [contentBytes]
      : contentBytes < 0x100
        ? [0x81, contentBytes]
        : [0x82, contentBytes >> 8, contentBytes & 0xff];
  const out = new Uint8Array(1 + length.length + contentBytes);
  out.set([tag, ...length]);
  let at = 1 + length.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** What is not the one DER encoding of what was asked for. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Reads values of known tags one after the other: definite and shortest lengths only, nothing past the end. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Whether the next value has this tag. */
  is(tag: number): boolean {
    return this.#bytes[this.#at] === tag;
  }

  /** Content of the next value, a view. */
  read(tag: number): Uint8Array {
    return this.#value(tag).content;
  }

  /** The next value with its tag and length, a view. */
  whole(tag: number): Uint8Array {
    return this.#value(tag).whole;
  }

  /** The values inside the next one. */
  inside(tag: number): DerReader {
    return new DerReader(this.read(tag));
  }

  /** @throws DerError when something is left. */
  end(): void {
    if (!this.done) throw new DerError('bytes are left over');
  }

  #value(tag: number): { readonly content: Uint8Array; readonly whole: Uint8Array } {
    const from = this.#at;
    if (this.#byte() !== tag) throw new DerError('another value is expected here');
    const length = this.#length();
    const start = this.#at;
    if (start + length > this.#bytes.length) throw new DerError('a length reaches past the end');
    this.#at = start + length;
    return { content: this.#bytes.subarray(start, this.#at), whole: this.#bytes.subarray(from, this.#at) };
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    if (first === 0x81) {
      const length = this.#byte();
      if (length < 0x80) throw new DerError('a length is not the shortest');
      return length;
    }
    if (first !== 0x82) throw new DerError('a length is indefinite or too long');
    const length = (this.#byte() << 8) | this.#byte();
    if (length < 0x100) throw new DerError('a length is not the shortest');
    return length;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new DerError('it ends too early');
    this.#at += 1;
    return byte;
  }
}
