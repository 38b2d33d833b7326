import { RonError } from '@ron/proto/errors';

export interface SseEvent {
  /** `message` when the stream names none. */
  readonly type: string;
  readonly data: string;
  /** The last id that the stream gave so far, this event's included; the empty text before the first. */
  readonly lastEventId: string;
}

/** Bytes of one event with all its lines. A message of 1 MiB as JSON fits, and memory stays bounded. */
export const sseEventBytesMax = 2 * 1_024 * 1_024;

const lf = 0x0a;
const cr = 0x0d;

/**
 * An event stream as the HTML standard defines it (9.2.6, interpreting an event stream), from bytes cut anywhere. The
 * time that `retry` suggests is left to whoever reconnects. Throws `internal` for an event that is too large.
 */
export class SseParser {
  readonly #bytesMax: number;
  /** Byte order marks inside the stream are text: only the very first is taken off, by hand. */
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #pieces: Uint8Array[] = [];
  #eventBytes = 0;
  #afterCr = false;
  #first = true;
  #type = '';
  #data: string[] = [];
  #lastEventId = '';

  constructor(bytesMax = sseEventBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** The events that these bytes complete. An event whose empty line never comes is no event. */
  *push(bytes: Uint8Array): Generator<SseEvent> {
    let start = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (byte !== lf && byte !== cr) {
        this.#afterCr = false;
        continue;
      }
      // The second half of CR LF ends no further line.
      const second = byte === lf && this.#afterCr;
      this.#afterCr = byte === cr;
      if (!second) {
        const event = this.#line(bytes.subarray(start, at));
        if (event !== undefined) yield event;
      }
      start = at + 1;
    }
    if (start < bytes.length) this.#keep(bytes.slice(start));
  }

  #keep(piece: Uint8Array): void {
    this.#count(piece.length);
    this.#pieces.push(piece);
  }

  #count(bytes: number): void {
    this.#eventBytes += bytes;
    if (this.#eventBytes > this.#bytesMax)
      throw new RonError('internal', `the node sent an event of more than ${this.#bytesMax} bytes`);
  }

  #line(end: Uint8Array): SseEvent | undefined {
    this.#count(end.length);
    let text = '';
    for (const piece of this.#pieces) text += this.#decoder.decode(piece, { stream: true });
    text += this.#decoder.decode(end);
    this.#pieces = [];
    if (this.#first && text.startsWith('\ufeff')) text = text.slice(1);
    this.#first = false;
    if (text === '') return this.#dispatch();
    // A comment belongs to no event: a connection that is only kept alive must not add up to one that is too large.
    if (text.startsWith(':')) this.#eventBytes = this.#data.length === 0 ? 0 : this.#eventBytes;
    else this.#field(text);
    return undefined;
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'event') this.#type = value;
    else if (name === 'data') this.#data.push(value);
    else if (name === 'id' && !value.includes('\0')) this.#lastEventId = value;
  }

  #dispatch(): SseEvent | undefined {
    const [type, data] = [this.#type, this.#data];
    this.#type = '';
    this.#data = [];
    this.#eventBytes = 0;
    if (data.length === 0) return undefined;
    return { type: type === '' ? 'message' : type, data: data.join('\n'), lastEventId: this.#lastEventId };
  }
}
