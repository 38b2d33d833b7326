import type { Clock } from '@ron/kernel';

const encoder = new TextEncoder();

/** One server-sent event (HTML standard, 9.2). JSON has no line breaks of its own, so the data is one line. */
export function encodeEvent(id: string, data: unknown): Uint8Array {
  return encoder.encode(`id: ${id}\nevent: message\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Tells the client how soon to come back, and that the stream is open. */
export const openingEvent = encoder.encode('retry: 1000\n: open\n\n');

/** A comment, so that nothing on the way takes a quiet stream for a dead one. */
export const keepAlive = encoder.encode(': \n\n');
const keepAliveMs = 15_000;

/** How long a stream may still be quiet. */
export class Quiet {
  readonly #clock: Clock;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
  }

  get leftMs(): number {
    return Math.max(0, this.#sinceMs + keepAliveMs - this.#clock.monotonicMs());
  }

  /** Something was sent. */
  over(): void {
    this.#sinceMs = this.#clock.monotonicMs();
  }
}

/** Bytes of bodies, as JSON, that a stream holds for a client that does not read; one message always. */
export const streamBytesMax = 65_536;
