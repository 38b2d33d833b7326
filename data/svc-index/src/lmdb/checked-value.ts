import type { Work } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

const digestBytes = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Values as LMDB keeps them: 16 bytes of the BLAKE3 of key and value, then the value as JSON. LMDB checks nothing by
 * itself: a bit that flips in its file would otherwise be served, as the address of somebody else's content for one.
 */
export class CheckedValues {
  readonly #work: Pick<Work, 'blake3'>;

  constructor(work: Pick<Work, 'blake3'>) {
    this.#work = work;
  }

  encode(key: string, value: unknown): Uint8Array {
    const json = encoder.encode(JSON.stringify(value));
    const stored = new Uint8Array(digestBytes + json.byteLength);
    stored.set(this.#digest(key, json));
    stored.set(json, digestBytes);
    return stored;
  }

  /** Throws `integrity` for bytes that are not what was stored under this key. */
  decode(key: string, stored: Uint8Array): unknown {
    const json = stored.subarray(digestBytes);
    const expected = this.#digest(key, json);
    if (stored.byteLength < digestBytes || expected.some((byte, at) => byte !== stored[at])) throw damagedRecord();
    return JSON.parse(decoder.decode(json));
  }

  /** The key is part of it: a record that LMDB's own damaged pages bring up for another name is refused too. */
  #digest(key: string, json: Uint8Array): Uint8Array {
    const prefix = encoder.encode(`${key}\n`);
    const all = new Uint8Array(prefix.byteLength + json.byteLength);
    all.set(prefix);
    all.set(json, prefix.byteLength);
    return this.#work.blake3(all).subarray(0, digestBytes);
  }
}

export function damagedRecord(cause?: unknown): RonError {
  return new RonError('integrity', 'the stored record of this name is damaged', cause === undefined ? {} : { cause });
}

/** Runs a read of the file; what LMDB itself finds broken is damage as well. */
export function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RonError ? error : damagedRecord(error);
  }
}
