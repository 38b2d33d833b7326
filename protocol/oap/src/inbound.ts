import { RonError } from '@ron/proto/errors';
import type { ConnectionCore } from './connection-core.ts';
import type { FrameHead, FrameSink, PayloadMode } from './frame-decoder.ts';
import { type DataHeader, parseAnswerHeader, parseDataHeader, parseHeader, parseRequestHeader } from './headers.ts';
import type { HelloExchange } from './hello-exchange.ts';
import { type Inflate, inflatePayload } from './inflate.ts';
import { limits } from './limits.ts';
import { type PayloadParts, PayloadReader, splitPayload } from './payload.ts';
import type { RefusalReason } from './refusals.ts';
import { errorFromFrame, isErrorStatus, okStatuses } from './status.ts';
import type { StreamState } from './stream-state.ts';
import type { JsonObject } from './strict-json.ts';
import { appId, controlCode, frameFlag, frameKindMask, noBytes } from './wire.ts';

const { REQ, RESP, EVENT, START, END, ACK_REQ, COMP, APP_E2E } = frameFlag;

/** Judges every received frame by the rules of the specification and tells the handler what it means. */
export class Inbound implements FrameSink {
  /** Frames begun so far. */
  frames = 0;
  private readonly core: ConnectionCore;
  private readonly hello: HelloExchange;
  private readonly inflate: Inflate | undefined;
  private readonly reader: PayloadReader;
  /** Stream of the frame whose payload arrives in parts; undefined when it is late. */
  private current: StreamState | undefined;
  private currentHeader: DataHeader | undefined;

  constructor(core: ConnectionCore, hello: HelloExchange, inflate: Inflate | undefined) {
    this.core = core;
    this.hello = hello;
    this.inflate = inflate;
    this.reader = new PayloadReader({
      header: (header, bodyBytes) => this.dataHeader(header, bodyBytes),
      body: (bytes) => this.dataBody(bytes),
      malformed: (reason) => core.violate(reason),
    });
  }

  get heldBytes(): number {
    return this.reader.heldBytes;
  }

  head(head: FrameHead): PayloadMode {
    this.frames++;
    if (isGoodbye(head)) return 'whole';
    if (this.core.state === 'hello') return this.hello.head(head);
    const kind = head.flags & frameKindMask;
    if (kind !== REQ && kind !== RESP && kind !== EVENT) return this.refuse('kind_ambiguous');
    if (head.app === appId.control) return this.controlHead(head, kind);
    if (head.streamId === 0) return this.refuse('stream_zero');
    if ((head.flags & COMP) !== 0 && ((head.flags & START) === 0 || isErrorStatus(head.code))) {
      return this.refuse('comp_without_start');
    }
    return this.core.role === 'acceptor' ? this.requestHead(head, kind) : this.answerHead(head, kind);
  }

  whole(head: FrameHead, capability: Uint8Array, payload: Uint8Array): void {
    const { core } = this;
    if (isGoodbye(head)) {
      const error = errorFromFrame(head.code, payload);
      core.close({ reason: 'refused_by_peer', by: 'peer', error }, false);
    } else if (core.state === 'hello') this.hello.whole(payload);
    else if (head.app === appId.control) this.control(head, payload);
    else if (core.role === 'acceptor') this.request(head, capability, payload);
    else if (isErrorStatus(head.code)) this.failed(head, payload);
    else if ((head.flags & EVENT) !== 0) this.event(head, payload);
    else this.answer(head, payload);
  }

  part(head: FrameHead, bytes: Uint8Array, last: boolean): void {
    this.reader.push(bytes);
    if (!last) return;
    const stream = this.current;
    this.current = undefined;
    if (stream?.live !== true) return;
    const header = this.currentHeader;
    if ((head.flags & ACK_REQ) !== 0) this.core.writeControl(controlCode.ack, stream.id);
    if ((head.flags & END) === 0) return;
    stream.receiveEnded = true;
    if (this.core.role === 'opener') this.core.finish(stream, false);
    this.core.handler.end(stream.id, header);
  }

  refused(reason: RefusalReason): void {
    this.core.violate(reason);
  }

  private refuse(reason: RefusalReason): PayloadMode {
    this.core.violate(reason);
    return 'drop';
  }

  private controlHead(head: FrameHead, kind: number): PayloadMode {
    const starts = (head.flags & START) !== 0;
    if (kind === REQ) return this.refuse(starts ? 'second_hello' : 'data_without_start');
    if (kind === RESP) {
      return this.refuse(starts && this.core.role === 'opener' ? 'second_hello' : 'response_without_request');
    }
    if (head.code === controlCode.credit) {
      return head.payloadBytes === 4 ? 'whole' : this.refuse('credit_malformed');
    }
    if (head.code !== controlCode.ack && head.code !== controlCode.cancel) return 'drop';
    const readable = head.streamId > 0 && head.payloadBytes + head.capabilityBytes === 0;
    return readable ? 'whole' : this.refuse('control_malformed');
  }

  private control(head: FrameHead, payload: Uint8Array): void {
    const { core } = this;
    const { streamId } = head;
    if (streamId > core.streams.highest) {
      core.violate('control_malformed');
      return;
    }
    const stream = core.streams.find(streamId);
    if (head.code === controlCode.ack) {
      core.handler.ack(streamId);
      return;
    }
    if (head.code === controlCode.cancel) {
      if (stream === undefined) return;
      core.finish(stream, true);
      core.handler.cancel(streamId);
      return;
    }
    const bytes = new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, true);
    const target = streamId === 0 ? core : stream;
    if (bytes === 0 || (target?.sendCredit ?? 0) + bytes > limits.creditBytesMax) {
      core.violate('credit_malformed');
      return;
    }
    // A grant for a stream that is over has nobody to use it.
    if (target === undefined) return;
    target.sendCredit += bytes;
    core.wake();
  }

  private requestHead(head: FrameHead, kind: number): PayloadMode {
    const { core } = this;
    const { streams } = core;
    if (kind === RESP) return this.refuse('response_without_request');
    if (kind === EVENT) return this.refuse('event_from_opener');
    if (head.code !== 0) return this.refuse('code_on_request');
    if ((head.flags & START) === 0) return this.dataHead(head);
    if (head.streamId <= streams.highest) {
      return this.refuse(streams.find(head.streamId) === undefined ? 'stream_id_not_growing' : 'duplicate_start');
    }
    if (streams.live >= core.streamsMax) {
      const details = { streams_max: core.streamsMax };
      this.rejectRequest(head, new RonError('unavailable', 'too many streams on this connection', { details }));
      return 'drop';
    }
    return 'whole';
  }

  private answerHead(head: FrameHead, kind: number): PayloadMode {
    const { core } = this;
    const starts = (head.flags & START) !== 0;
    const fails = isErrorStatus(head.code);
    if (kind === REQ) return this.refuse('request_from_acceptor');
    if (kind === EVENT && starts) return this.refuse('kind_ambiguous');
    if (head.streamId > core.streams.highest) return this.refuse('response_without_request');
    if (kind === RESP && !fails && !okStatuses.includes(head.code)) return this.refuse('unknown_status');
    if (kind === RESP && fails && (head.flags & END) === 0) return this.refuse('error_without_end');
    const stream = core.streams.find(head.streamId);
    // Late. What carries no credit is thrown away at once, the rest must be counted.
    if (stream === undefined) return kind === RESP && (starts || fails) ? 'drop' : this.dataHead(head);
    if (kind === EVENT) return 'whole';
    if (fails) return 'whole';
    if (!starts) return stream.answered ? this.dataHead(head) : this.refuse('data_without_start');
    return stream.answered ? this.refuse('duplicate_start') : 'whole';
  }

  /** A frame of body bytes, live or late. */
  private dataHead(head: FrameHead): PayloadMode {
    const { core } = this;
    if (head.streamId > core.streams.highest) return this.refuse('data_without_start');
    const stream = core.streams.find(head.streamId);
    if (stream?.receiveEnded === true) return this.refuse('data_after_end');
    if (stream !== undefined && stream.app !== head.app) return this.refuse('app_mismatch');
    this.current = stream;
    this.currentHeader = undefined;
    this.reader.begin(head.payloadBytes);
    return 'parts';
  }

  private dataHeader(bytes: Uint8Array | undefined, bodyBytes: number): void {
    const stream = this.current;
    if (!this.core.charge(stream, bodyBytes) || stream === undefined) return;
    if (bytes?.length === 0) return;
    try {
      this.currentHeader = parseDataHeader(bytes);
    } catch (cause) {
      this.rejectStream(stream, cause as RonError);
      return;
    }
    if (bodyBytes === 0) this.core.handler.data(stream.id, noBytes, this.currentHeader);
  }

  private dataBody(bytes: Uint8Array): void {
    const stream = this.current;
    if (stream?.live === true) this.core.handler.data(stream.id, bytes, this.currentHeader);
  }

  private request(head: FrameHead, capability: Uint8Array, payload: Uint8Array): void {
    const { core } = this;
    const opened = this.readStart(head, payload, (parts) => {
      if (capability.length > limits.capabilityBytesMax) {
        const details = { bytes_max: limits.capabilityBytesMax };
        throw new RonError('headers_too_large', 'the capability is too long', { details });
      }
      return { header: parseRequestHeader(parts.header), body: parts.body };
    });
    if (opened === undefined) return;
    if (opened instanceof RonError) {
      this.rejectRequest(head, opened);
      return;
    }
    const { streamId, app, tenant, flags } = head;
    const stream = core.streams.add(streamId, app, core.limits.streamCreditBytes);
    const end = (flags & END) !== 0;
    stream.receiveEnded = end;
    if ((flags & ACK_REQ) !== 0) core.writeControl(controlCode.ack, streamId);
    core.handler.open({ streamId, app, tenant, capability, ...opened, end, sealed: (flags & APP_E2E) !== 0 });
  }

  private answer(head: FrameHead, payload: Uint8Array): void {
    const { core } = this;
    const { streamId, code, flags } = head;
    const stream = core.streams.find(streamId);
    // We cancelled it while the frame arrived.
    if (stream === undefined) return;
    const started = this.readStart(head, payload, (parts) => ({
      header: parseAnswerHeader(parts.header),
      body: parts.body,
    }));
    if (started === undefined) return;
    if (started instanceof RonError) {
      this.rejectStream(stream, started);
      return;
    }
    stream.answered = true;
    const end = (flags & END) !== 0;
    if (end) {
      stream.receiveEnded = true;
      core.finish(stream, false);
    }
    if ((flags & ACK_REQ) !== 0) core.writeControl(controlCode.ack, streamId);
    core.handler.answer({ streamId, code, ...started, end, sealed: (flags & APP_E2E) !== 0 });
  }

  /** Undefined when the connection is closed; an error when only this stream is refused. */
  private readStart<T>(
    head: FrameHead,
    payload: Uint8Array,
    read: (parts: PayloadParts) => T,
  ): T | RonError | undefined {
    try {
      const parts = splitPayload(inflatePayload(payload, head.flags, this.inflate, this.core.maxFrameBytes));
      if (parts !== undefined) return read(parts);
    } catch (error) {
      return error as RonError;
    }
    this.core.violate('header_past_frame');
    return undefined;
  }

  private event(head: FrameHead, payload: Uint8Array): void {
    const { core } = this;
    // Undefined when we cancelled it while the frame arrived: its bytes count all the same.
    const stream = core.streams.find(head.streamId);
    const parts = splitPayload(payload);
    if (parts === undefined) {
      core.violate('header_past_frame');
      return;
    }
    if (stream !== undefined && stream.app !== head.app) {
      core.violate('app_mismatch');
      return;
    }
    if (!core.charge(stream, parts.body.length) || stream === undefined) return;
    let header: JsonObject;
    try {
      header = parts.header.length === 0 ? {} : parseHeader(parts.header);
    } catch (cause) {
      this.rejectStream(stream, cause as RonError);
      return;
    }
    if ((head.flags & ACK_REQ) !== 0) core.writeControl(controlCode.ack, stream.id);
    core.handler.event(stream.id, header, parts.body);
  }

  private failed(head: FrameHead, payload: Uint8Array): void {
    const stream = this.core.streams.find(head.streamId);
    if (stream === undefined) return;
    this.core.finish(stream, true);
    this.core.handler.error(stream.id, errorFromFrame(head.code, payload));
  }

  private rejectRequest(head: FrameHead, error: RonError): void {
    const { core } = this;
    core.streams.skip(head.streamId);
    core.writeError(head.streamId, head.app, error, core.corrId);
    core.handler.refused?.(head.streamId, error);
    core.checkUnsent();
  }

  /** Ends one stream for what the peer sent on it: the acceptor answers with the error, the opener cancels. */
  private rejectStream(stream: StreamState, error: RonError): void {
    const { core } = this;
    core.finish(stream, true);
    if (core.role === 'acceptor') {
      core.writeError(stream.id, stream.app, error, core.corrId);
      core.handler.refused?.(stream.id, error);
      core.handler.cancel(stream.id);
    } else {
      core.writeControl(controlCode.cancel, stream.id);
      core.handler.error(stream.id, error);
    }
  }
}

/** RESP|END with an error on stream 0: the peer says why it closes. */
function isGoodbye(head: FrameHead): boolean {
  return (
    head.app === appId.control &&
    head.streamId === 0 &&
    (head.flags & (frameKindMask | END)) === (RESP | END) &&
    isErrorStatus(head.code)
  );
}
