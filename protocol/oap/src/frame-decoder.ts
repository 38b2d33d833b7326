import { limits } from './limits.ts';
import type { RefusalReason } from './refusals.ts';
import { frameFlag, frameHeadBytes, frameLenMin, frameVersion, noBytes, tenantBytes, zeroTenant } from './wire.ts';

/** The fixed part of a received frame. Sizes are already checked against the frame and its limit. */
export interface FrameHead {
  /** As received; bits 8–15 mean nothing. */
  readonly flags: number;
  readonly code: number;
  readonly app: number;
  readonly streamId: number;
  /** 16 bytes; read with START only, zero otherwise. */
  readonly tenant: Uint8Array;
  readonly capabilityBytes: number;
  readonly payloadBytes: number;
}

/** What becomes of the bytes after the head: gathered into one piece, passed on as they come, or thrown away. */
export type PayloadMode = 'whole' | 'parts' | 'drop';

/** Receiver of decoded frames. Byte arrays may be views of what was pushed and are never written to again. */
export interface FrameSink {
  head(head: FrameHead): PayloadMode;
  /** After a head that was answered with `whole`. */
  whole(head: FrameHead, capability: Uint8Array, payload: Uint8Array): void;
  /** After a head that was answered with `parts`: the payload in order, at least one call, `last` on the final one. */
  part(head: FrameHead, bytes: Uint8Array, last: boolean): void;
  /** The stream of bytes cannot be followed any further. Nothing comes after it. */
  refused(reason: RefusalReason): void;
}

/**
 * Turns bytes into frames, however they are split. Holds at most 37 bytes, or the received part of one frame that is
 * gathered whole; `len` is checked before anything is allocated for it.
 */
export class FrameDecoder {
  /** Largest `len`; may be changed between frames, HELLO does so. */
  frameBytesMax: number;
  private readonly sink: FrameSink;
  private readonly scratch = new Uint8Array(frameHeadBytes);
  private scratchBytes = 0;
  private head: FrameHead | undefined;
  private mode: PayloadMode = 'drop';
  /** Bytes of the current frame that have not arrived. */
  private missing = 0;
  private gathered: Uint8Array = noBytes;
  private gatheredBytes = 0;
  private stopped = false;

  constructor(sink: FrameSink, frameBytesMax: number = limits.maxFrameBytes) {
    this.sink = sink;
    this.frameBytesMax = frameBytesMax;
  }

  /** True when a frame has begun and is not complete. */
  get insideFrame(): boolean {
    return this.head !== undefined || this.scratchBytes > 0;
  }

  /** Bytes of memory held between two pushes. */
  get heldBytes(): number {
    return this.scratchBytes + this.gathered.length;
  }

  /** Ignores everything from now on and lets go of what is held. */
  stop(): void {
    this.stopped = true;
    this.gathered = noBytes;
    this.head = undefined;
    this.scratchBytes = 0;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (!this.stopped && at < bytes.length) {
      at = this.head === undefined ? this.pushHead(bytes, at) : this.pushRest(this.head, bytes, at);
    }
  }

  private pushHead(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    if (this.scratchBytes === 0 && available >= frameHeadBytes) {
      this.begin(bytes, at);
      return at + frameHeadBytes;
    }
    const taken = Math.min(frameHeadBytes - this.scratchBytes, available);
    this.scratch.set(bytes.subarray(at, at + taken), this.scratchBytes);
    this.scratchBytes += taken;
    if (this.scratchBytes === frameHeadBytes) {
      this.scratchBytes = 0;
      this.begin(this.scratch, 0);
    } else if (this.scratchBytes >= 4) {
      // A hopeless length is told at once, not after 33 more bytes.
      const reason = refuseLen(readU32(this.scratch, 0), this.frameBytesMax);
      if (reason !== undefined) this.refuse(reason);
    }
    return at + taken;
  }

  private begin(source: Uint8Array, at: number): void {
    const len = readU32(source, at);
    const flags = readU16(source, at + 5);
    const capabilityBytes = readU16(source, at + 27);
    const high = readU32(source, at + 33);
    const reason =
      refuseLen(len, this.frameBytesMax) ??
      (source[at + 4] !== frameVersion
        ? 'unknown_version'
        : capabilityBytes > len - frameLenMin
          ? 'capability_past_frame'
          : capabilityBytes > 0 && (flags & frameFlag.START) === 0
            ? 'capability_without_start'
            : high > 0x1f_ffff
              ? 'stream_id_too_large'
              : undefined);
    if (reason !== undefined) {
      this.refuse(reason);
      return;
    }
    const head: FrameHead = {
      flags,
      code: readU16(source, at + 7),
      app: readU16(source, at + 9),
      streamId: high * 0x1_0000_0000 + readU32(source, at + 29),
      tenant: (flags & frameFlag.START) === 0 ? zeroTenant : source.slice(at + 11, at + 11 + tenantBytes),
      capabilityBytes,
      payloadBytes: len - frameLenMin - capabilityBytes,
    };
    this.mode = this.sink.head(head);
    if (this.stopped) return;
    this.missing = len - frameLenMin;
    if (this.missing > 0) this.head = head;
    else if (this.mode === 'whole') this.sink.whole(head, noBytes, noBytes);
    else if (this.mode === 'parts') this.sink.part(head, noBytes, true);
  }

  private pushRest(head: FrameHead, bytes: Uint8Array, at: number): number {
    const taken = Math.min(this.missing, bytes.length - at);
    const end = at + taken;
    this.missing -= taken;
    const last = this.missing === 0;
    if (last) this.head = undefined;
    if (this.mode === 'parts') {
      this.sink.part(head, taken === bytes.length ? bytes : bytes.subarray(at, end), last);
    } else if (this.mode === 'whole') {
      if (last && this.gatheredBytes === 0) this.deliver(head, bytes, at, end);
      else {
        this.gather(bytes.subarray(at, end));
        if (last) {
          const whole = this.gathered;
          const wholeBytes = this.gatheredBytes;
          this.gathered = noBytes;
          this.gatheredBytes = 0;
          this.deliver(head, whole, 0, wholeBytes);
        }
      }
    }
    return end;
  }

  private deliver(head: FrameHead, source: Uint8Array, from: number, to: number): void {
    const payloadFrom = from + head.capabilityBytes;
    const capability = head.capabilityBytes === 0 ? noBytes : source.subarray(from, payloadFrom);
    this.sink.whole(head, capability, source.subarray(payloadFrom, to));
  }

  /** Grows by doubling with what has arrived, so that a peer that only announces a large frame costs nothing. */
  private gather(part: Uint8Array): void {
    const needed = this.gatheredBytes + part.length;
    if (needed > this.gathered.length) {
      const grown = new Uint8Array(Math.min(needed + this.missing, Math.max(2 * needed, 1024)));
      grown.set(this.gathered.subarray(0, this.gatheredBytes));
      this.gathered = grown;
    }
    this.gathered.set(part, this.gatheredBytes);
    this.gatheredBytes = needed;
  }

  private refuse(reason: RefusalReason): void {
    this.stop();
    this.sink.refused(reason);
  }
}

function refuseLen(len: number, frameBytesMax: number): RefusalReason | undefined {
  if (len < frameLenMin) return 'len_too_small';
  return len > frameBytesMax ? 'len_too_large' : undefined;
}

function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

function readU32(bytes: Uint8Array, at: number): number {
  return (readU16(bytes, at) | (readU16(bytes, at + 2) << 16)) >>> 0;
}
