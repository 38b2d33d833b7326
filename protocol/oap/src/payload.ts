import { RonError } from '@ron/proto/errors';
import { encodeText, takeBytes } from './byte-slab.ts';
import { limits } from './limits.ts';
import type { RefusalReason } from './refusals.ts';
import { noBytes } from './wire.ts';

/** The two parts of a payload, as views of it. */
export interface PayloadParts {
  /** UTF-8 JSON, empty when there is none. */
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

/**
 * The JSON of a payload header as bytes; nothing for no header.
 *
 * @throws RonError `headers_too_large` past `headerJsonBytesMax`, 16 KiB.
 */
export function encodeHeader(header: object | undefined): Uint8Array {
  if (header === undefined) return noBytes;
  const bytes = encodeText(JSON.stringify(header));
  if (bytes.length > limits.headerJsonBytesMax) {
    throw new RonError('headers_too_large', 'the OAP header is too long', {
      details: { bytes_max: limits.headerJsonBytesMax },
    });
  }
  return bytes;
}

/** `hdr_len u16 | header JSON | body`. Without both it is empty. */
export function encodePayload(header: object | undefined, body: Uint8Array = noBytes): Uint8Array {
  const headerBytes = encodeHeader(header);
  if (headerBytes.length + body.length === 0) return noBytes;
  const out = takeBytes(2 + headerBytes.length + body.length);
  out[0] = headerBytes.length;
  out[1] = headerBytes.length >>> 8;
  out.set(headerBytes, 2);
  out.set(body, 2 + headerBytes.length);
  return out;
}

/** Splits a payload; undefined when `hdr_len` reaches past it. An empty payload has an empty header and body. */
export function splitPayload(payload: Uint8Array): PayloadParts | undefined {
  if (payload.length === 0) return { header: noBytes, body: noBytes };
  if (payload.length === 1) return undefined;
  const bodyFrom = 2 + ((payload[0] as number) | ((payload[1] as number) << 8));
  if (bodyFrom > payload.length) return undefined;
  return { header: payload.subarray(2, bodyFrom), body: payload.subarray(bodyFrom) };
}

/** Receives what a `PayloadReader` finds. */
export interface PayloadSink {
  /**
   * Called once a frame, before any body. `header` is undefined when it is longer than `headerJsonBytesMax`;
   * `bodyBytes` is how much body the frame has.
   */
  header(header: Uint8Array | undefined, bodyBytes: number): void;
  body(bytes: Uint8Array): void;
  malformed(reason: RefusalReason): void;
}

/** Splits a payload that arrives in parts, passing the body on without copying. Holds one header at most. */
export class PayloadReader {
  private readonly sink: PayloadSink;
  private payloadBytes = 0;
  private prefix: Uint8Array = noBytes;
  private prefixBytes = 0;
  private headerBytes = -1;
  private inBody = false;

  constructor(sink: PayloadSink) {
    this.sink = sink;
  }

  /** Bytes of memory held for a header that is not complete. */
  get heldBytes(): number {
    return this.inBody ? 0 : this.prefix.length;
  }

  /** Begins the payload of a new frame. */
  begin(payloadBytes: number): void {
    this.payloadBytes = payloadBytes;
    this.prefixBytes = 0;
    this.headerBytes = -1;
    this.inBody = false;
    if (payloadBytes === 0) {
      this.inBody = true;
      this.sink.header(noBytes, 0);
    } else if (payloadBytes === 1) this.sink.malformed('header_past_frame');
  }

  push(bytes: Uint8Array): void {
    if (this.inBody) {
      if (bytes.length > 0) this.sink.body(bytes);
      return;
    }
    if (this.prefixBytes === 0 && bytes.length >= 2 && this.pushAtOnce(bytes)) return;
    this.pushSlowly(bytes);
  }

  /** The usual case: the header is in the first part. */
  private pushAtOnce(bytes: Uint8Array): boolean {
    const headerBytes = (bytes[0] as number) | ((bytes[1] as number) << 8);
    if (bytes.length < 2 + headerBytes) return false;
    this.finish(headerBytes, bytes.subarray(2, 2 + headerBytes));
    if (bytes.length > 2 + headerBytes) this.sink.body(bytes.subarray(2 + headerBytes));
    return true;
  }

  private pushSlowly(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !this.inBody) {
      if (this.headerBytes < 0) {
        if (this.prefixBytes === 0) this.prefix = new Uint8Array(2);
        this.prefix[this.prefixBytes++] = bytes[at++] as number;
        if (this.prefixBytes < 2) continue;
        this.headerBytes = (this.prefix[0] as number) | ((this.prefix[1] as number) << 8);
        if (2 + this.headerBytes > this.payloadBytes) {
          this.sink.malformed('header_past_frame');
          return;
        }
        this.prefix = this.headerBytes > limits.headerJsonBytesMax ? noBytes : new Uint8Array(this.headerBytes);
        this.prefixBytes = 2;
      }
      const taken = Math.min(2 + this.headerBytes - this.prefixBytes, bytes.length - at);
      if (this.prefix.length > 0) this.prefix.set(bytes.subarray(at, at + taken), this.prefixBytes - 2);
      this.prefixBytes += taken;
      at += taken;
      if (this.prefixBytes === 2 + this.headerBytes) this.finish(this.headerBytes, this.prefix);
    }
    if (at < bytes.length) this.sink.body(bytes.subarray(at));
  }

  private finish(headerBytes: number, header: Uint8Array): void {
    this.inBody = true;
    this.sink.header(headerBytes > limits.headerJsonBytesMax ? undefined : header, this.payloadBytes - 2 - headerBytes);
  }
}
