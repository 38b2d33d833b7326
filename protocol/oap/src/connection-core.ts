import type { RonError } from '@ron/proto/errors';
import { encodeText } from './byte-slab.ts';
import type { ClosedConnection, ConnectionHandler, ConnectionOptions, Role } from './connection-types.ts';
import type { FrameDecoder } from './frame-decoder.ts';
import { FrameWriter } from './frame-writer.ts';
import type { ConnectionLimits } from './limits.ts';
import { limits } from './limits.ts';
import { type RefusalReason, refusalError } from './refusals.ts';
import { statusOfCode } from './status.ts';
import { type StreamState, StreamTable } from './stream-state.ts';
import { appId, controlCode, frameFlag, noBytes } from './wire.ts';

/** What the inbound and the outbound half share: streams, credit, the writer, and the one way to close. */
export class ConnectionCore {
  readonly role: Role;
  readonly handler: ConnectionHandler;
  readonly limits: ConnectionLimits;
  readonly writer: FrameWriter;
  readonly streams = new StreamTable();
  readonly corrId: string;
  state: 'hello' | 'ready' | 'closed' = 'hello';
  maxFrameBytes: number;
  streamsMax: number;
  /** Body bytes that we may still send on all streams together. */
  sendCredit: number;
  /** Body bytes that the peer may still send on all streams together. */
  private receiveCredit: number;
  private ungranted = 0;
  /** Streams whose sender waits for credit or for the transport, longest waiting first. */
  private readonly waiting = new Set<number>();
  /** Set by `createConnection` before anything can be received. */
  decoder!: FrameDecoder;

  constructor(options: ConnectionOptions) {
    this.role = options.role;
    this.handler = options.handler;
    this.limits = { ...limits, ...options.limits };
    const { maxFrameBytes } = this.limits;
    if (maxFrameBytes < limits.maxFrameFloorBytes || maxFrameBytes > limits.maxFrameBytes) {
      throw new RangeError('maxFrameBytes is negotiated downward only, from 1 MiB to 32 KiB');
    }
    this.corrId = options.corrId ?? 'oap-connection';
    this.maxFrameBytes = maxFrameBytes;
    this.streamsMax = this.limits.streamsPerConnectionMax;
    this.sendCredit = this.limits.connectionCreditBytes;
    this.receiveCredit = this.limits.connectionCreditBytes;
    this.writer = new FrameWriter(options.write, this.limits.unsentBytesMax);
  }

  /** HELLO is done. */
  becomeReady(maxFrameBytes: number): void {
    this.maxFrameBytes = maxFrameBytes;
    this.state = 'ready';
    this.decoder.frameBytesMax = maxFrameBytes;
  }

  /** A peer that reads nothing may not make us keep replies for ever. */
  checkUnsent(): void {
    if (this.writer.blockedBytes > this.limits.unsentBytesHardMax) this.violate('peer_not_reading');
  }

  writeControl(code: number, streamId: number, payload: Uint8Array = noBytes): void {
    this.writer.frame(frameFlag.EVENT, code, appId.control, streamId, noBytes, payload, undefined, undefined, true);
    this.checkUnsent();
  }

  writeError(streamId: number, app: number, error: RonError, corrId: string): void {
    const envelope = encodeText(JSON.stringify(error.toEnvelope(corrId)));
    // Details come from our own code; should they be huge, the caller still learns the rest.
    const payload =
      envelope.length <= limits.headerJsonBytesMax
        ? envelope
        : encodeText(JSON.stringify({ ...error.toEnvelope(corrId), message: error.code, details: {} }));
    const flags = frameFlag.RESP | frameFlag.END;
    this.writer.frame(flags, statusOfCode(error.code), app, streamId, noBytes, payload, undefined, undefined, true);
  }

  /** The peer broke the protocol: say so, close, and follow its bytes no further. */
  violate(reason: RefusalReason): void {
    this.close({ reason, by: 'us', error: refusalError(reason) }, true);
  }

  close(close: ClosedConnection, tellPeer: boolean): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.decoder.stop();
    if (tellPeer && close.error !== undefined) this.writeError(0, appId.control, close.error, this.corrId);
    this.writer.uncork();
    this.streams.clear();
    this.waiting.clear();
    this.handler.closed(close);
  }

  /** Counts body bytes that begin to arrive. False when the peer had no credit for them, and the connection is closed. */
  charge(stream: StreamState | undefined, bytes: number): boolean {
    if (bytes > this.receiveCredit || (stream !== undefined && bytes > stream.receiveCredit)) {
      this.violate('credit_exceeded');
      return false;
    }
    this.receiveCredit -= bytes;
    if (stream === undefined) this.release(bytes);
    else {
      stream.receiveCredit -= bytes;
      stream.unconsumed += bytes;
    }
    return true;
  }

  /** The consumer is done with bytes of this stream. */
  consume(stream: StreamState, bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > stream.unconsumed) {
      throw new RangeError('more bytes consumed than were delivered');
    }
    stream.unconsumed -= bytes;
    this.release(bytes);
    if (!stream.live) {
      this.streams.finish(stream, false);
      return;
    }
    if (stream.receiveEnded) return;
    stream.ungranted += bytes;
    if (isGrantDue(stream.ungranted, stream.receiveCredit, this.limits.streamCreditBytes)) {
      stream.receiveCredit += stream.ungranted;
      const granted = stream.ungranted;
      stream.ungranted = 0;
      this.writeControl(controlCode.credit, stream.id, encodeGrant(granted));
    }
  }

  /**
   * The stream is over. `forget`: what was received and not consumed will never be, so the connection gets its credit
   * back now. Otherwise `consume` goes on working for it.
   */
  finish(stream: StreamState, forget: boolean): void {
    const lost = forget ? stream.unconsumed : 0;
    stream.unconsumed -= lost;
    this.streams.finish(stream, forget);
    this.waiting.delete(stream.id);
    if (lost > 0) this.release(lost);
  }

  wait(streamId: number): void {
    this.waiting.add(streamId);
  }

  /** Tells waiting senders to go on, in turn, while there is anything to give. */
  wake(): void {
    if (this.waiting.size === 0) return;
    for (const streamId of [...this.waiting]) {
      if (this.writer.blocked || this.sendCredit === 0) return;
      const stream = this.streams.find(streamId);
      if (stream === undefined || stream.sendCredit === 0 || !this.waiting.delete(streamId)) continue;
      this.handler.writable(streamId);
    }
  }

  private release(bytes: number): void {
    this.ungranted += bytes;
    if (!isGrantDue(this.ungranted, this.receiveCredit, this.limits.connectionCreditBytes)) return;
    this.receiveCredit += this.ungranted;
    const granted = this.ungranted;
    this.ungranted = 0;
    this.writeControl(controlCode.credit, 0, encodeGrant(granted));
  }
}

/** A quarter of the window is worth a frame; any byte is when the sender has little left. */
function isGrantDue(ungranted: number, left: number, windowBytes: number): boolean {
  return ungranted * 4 >= windowBytes || (ungranted > 0 && left * 8 < windowBytes);
}

function encodeGrant(bytes: number): Uint8Array {
  return new Uint8Array([bytes, bytes >>> 8, bytes >>> 16, bytes >>> 24]);
}
