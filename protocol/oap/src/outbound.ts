import { RonError } from '@ron/proto/errors';
import type { ConnectionCore } from './connection-core.ts';
import type { Answer, OpenRequest, SendBodyOptions } from './connection-types.ts';
import type { DataHeader } from './headers.ts';
import { limits } from './limits.ts';
import { encodeHeader } from './payload.ts';
import { okStatuses } from './status.ts';
import type { StreamState } from './stream-state.ts';
import type { JsonObject } from './strict-json.ts';
import { controlCode, frameFlag, frameLenMin, noBytes, tenantBytes, zeroTenant } from './wire.ts';

const { REQ, RESP, EVENT, START, END, ACK_REQ, APP_E2E } = frameFlag;

/** Everything that a driver may send. Calls on a stream that is over do nothing and say so by their result. */
export class Outbound {
  private readonly core: ConnectionCore;

  constructor(core: ConnectionCore) {
    this.core = core;
  }

  get canOpen(): boolean {
    const { core } = this;
    const { live, highest } = core.streams;
    return core.role === 'opener' && core.state === 'ready' && live < core.streamsMax && highest < limits.streamIdMax;
  }

  open(request: OpenRequest): number {
    const { core } = this;
    const { app, body = noBytes, capability = noBytes, tenant = zeroTenant, end = false } = request;
    if (!this.canOpen) throw new RonError('unavailable', 'the connection has no free stream');
    if (app === 0) throw new RangeError('app 0 belongs to the connection');
    if (tenant.length !== tenantBytes) throw new RangeError('tenant_id has 16 bytes');
    if (capability.length > limits.capabilityBytesMax) throw tooLarge('capability', limits.capabilityBytesMax);
    const header = encodeHeader(request.header);
    this.checkFrame(capability.length + header.length + body.length);
    const stream = core.streams.add(core.streams.highest + 1, app, core.limits.streamCreditBytes);
    stream.sendOpen = !end;
    const flags = REQ | START | optionFlags(request) | (end ? END : 0);
    core.writer.frame(flags, 0, app, stream.id, header, body, capability, tenant);
    core.checkUnsent();
    return stream.id;
  }

  answer(streamId: number, answer: Answer): boolean {
    const { core } = this;
    const stream = this.find(streamId);
    if (stream === undefined) return false;
    if (core.role !== 'acceptor' || stream.answered) throw new RangeError('a request is answered once');
    const { code = 0, body = noBytes, end = false } = answer;
    if (!okStatuses.includes(code)) throw new RangeError('an answer has code 0, 202 or 206');
    const header = encodeHeader(answer.header);
    this.checkFrame(header.length + body.length);
    stream.answered = true;
    // The stream is over before the write, so that whatever the write sets off finds the slot free.
    if (end) core.finish(stream, true);
    const flags = RESP | START | optionFlags(answer) | (end ? END : 0);
    core.writer.frame(flags, code, stream.app, streamId, header, body);
    core.checkUnsent();
    return true;
  }

  fail(streamId: number, error: RonError, corrId: string): boolean {
    const { core } = this;
    if (core.role !== 'acceptor') throw new RangeError('only an acceptor answers with an error');
    const stream = this.find(streamId);
    if (stream === undefined) return false;
    core.finish(stream, true);
    core.writeError(streamId, stream.app, error, corrId);
    core.checkUnsent();
    return true;
  }

  sendBody(streamId: number, bytes: Uint8Array, options: SendBodyOptions = {}): number {
    const { core } = this;
    const stream = this.find(streamId);
    if (stream?.sendOpen !== true) return 0;
    this.checkAnswered(stream);
    let header = encodeHeader(options.header);
    let at = 0;
    while (stream.sendOpen) {
      const room = this.room(stream, header.length);
      const taken = Math.min(bytes.length - at, room);
      const last = at + taken === bytes.length;
      if (!last && taken === 0) break;
      const ends = last && options.end === true;
      if (taken > 0 || ends || header.length > 0) {
        const body = taken === bytes.length ? bytes : bytes.subarray(at, at + taken);
        this.writeData(stream, header, body, ends, last ? optionFlags(options) : optionFlags(options) & ~ACK_REQ);
      }
      header = noBytes;
      at += taken;
      if (last) return at;
    }
    if (stream.sendOpen) core.wait(streamId);
    return at;
  }

  end(streamId: number, header?: DataHeader): boolean {
    if (this.find(streamId)?.sendOpen !== true) return false;
    this.sendBody(streamId, noBytes, { end: true, ...(header === undefined ? {} : { header }) });
    return true;
  }

  sendEvent(streamId: number, header: JsonObject, body: Uint8Array = noBytes): boolean {
    const { core } = this;
    if (core.role !== 'acceptor') throw new RangeError('only an acceptor pushes events');
    const stream = this.find(streamId);
    if (stream === undefined) return false;
    const headerBytes = encodeHeader(header);
    this.checkFrame(headerBytes.length + body.length);
    if (core.writer.blocked || body.length > Math.min(stream.sendCredit, core.sendCredit)) {
      core.wait(streamId);
      return false;
    }
    stream.sendCredit -= body.length;
    core.sendCredit -= body.length;
    core.writer.frame(EVENT, 0, stream.app, streamId, headerBytes, body);
    return true;
  }

  cancel(streamId: number): void {
    const { core } = this;
    const stream = core.streams.findUnconsumed(streamId);
    if (stream === undefined) return;
    const { live } = stream;
    core.finish(stream, true);
    if (live) core.writeControl(controlCode.cancel, streamId);
  }

  consumed(streamId: number, bytes: number): void {
    const stream = this.core.streams.findUnconsumed(streamId);
    if (stream !== undefined) this.core.consume(stream, bytes);
  }

  private find(streamId: number): StreamState | undefined {
    return this.core.streams.find(streamId);
  }

  /** Body bytes that the next frame of this stream may carry now. */
  private room(stream: StreamState, headerBytes: number): number {
    const { core } = this;
    if (core.writer.blocked) return 0;
    return Math.min(
      stream.sendCredit,
      core.sendCredit,
      core.maxFrameBytes - frameLenMin - 2 - headerBytes,
      core.limits.unsentBytesMax,
    );
  }

  private writeData(stream: StreamState, header: Uint8Array, body: Uint8Array, ends: boolean, flags: number): void {
    const { core } = this;
    stream.sendCredit -= body.length;
    core.sendCredit -= body.length;
    const isOpener = core.role === 'opener';
    if (ends && isOpener) stream.sendOpen = false;
    else if (ends) core.finish(stream, true);
    core.writer.frame((isOpener ? REQ : RESP) | flags | (ends ? END : 0), 0, stream.app, stream.id, header, body);
    core.checkUnsent();
  }

  private checkAnswered(stream: StreamState): void {
    if (this.core.role === 'acceptor' && !stream.answered) throw new RangeError('an answer begins with its START');
  }

  private checkFrame(bytes: number): void {
    const bytesMax = this.core.maxFrameBytes - frameLenMin - 2;
    if (bytes > bytesMax) throw tooLarge('frame', bytesMax);
  }
}

function optionFlags(options: { readonly ackRequest?: boolean; readonly sealed?: boolean }): number {
  return (options.ackRequest === true ? ACK_REQ : 0) | (options.sealed === true ? APP_E2E : 0);
}

function tooLarge(what: string, bytesMax: number): RonError {
  return new RonError('payload_too_large', `the ${what} is too large`, { details: { bytes_max: bytesMax } });
}
