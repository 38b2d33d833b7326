import type { Env } from '@ron/kernel';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const randomBytesAtOnce = 4_096;

/** Makes ULIDs: 48 bits of wall time, which order them roughly and prove nothing, and 80 random bits. */
export class MessageIds {
  readonly #env: Pick<Env, 'clock' | 'random'>;
  #pool: Uint8Array = new Uint8Array(0);
  #at = 0;
  #timeMs = -1;
  #timeText = '';

  constructor(env: Pick<Env, 'clock' | 'random'>) {
    this.#env = env;
  }

  next(): string {
    const bytes = this.#random(10);
    let text = this.#time();
    // 5 bytes are 8 characters.
    for (let at = 0; at < 10; at += 5) {
      let high = (bytes[at]! << 12) | (bytes[at + 1]! << 4) | (bytes[at + 2]! >> 4);
      let low = ((bytes[at + 2]! & 15) << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!;
      let part = '';
      for (let count = 0; count < 4; count += 1) {
        part = alphabet[low & 31]! + part;
        low >>>= 5;
      }
      for (let count = 0; count < 4; count += 1) {
        part = alphabet[high & 31]! + part;
        high >>>= 5;
      }
      text += part;
    }
    return text;
  }

  /** 32 random bits. */
  nonce(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#random(4);
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  }

  #time(): string {
    const timeMs = this.#env.clock.wallMs();
    if (timeMs === this.#timeMs) return this.#timeText;
    let text = '';
    let left = Math.max(0, Math.floor(timeMs));
    for (let count = 0; count < 10; count += 1) {
      text = alphabet[left % 32]! + text;
      left = Math.floor(left / 32);
    }
    this.#timeMs = timeMs;
    this.#timeText = text;
    return text;
  }

  #random(length: number): Uint8Array {
    if (this.#at + length > this.#pool.byteLength) {
      this.#pool = this.#env.random.bytes(randomBytesAtOnce);
      this.#at = 0;
    }
    const bytes = this.#pool.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }
}
