import type { ConnectionCore } from './connection-core.ts';
import type { ConnectionOptions } from './connection-types.ts';
import type { FrameHead, PayloadMode } from './frame-decoder.ts';
import {
  encodeHelloReply,
  encodeHelloRequest,
  type HelloReply,
  type HelloRequest,
  negotiateMaxFrame,
  parseHelloReply,
  parseHelloRequest,
} from './hello.ts';
import { limits } from './limits.ts';
import { appId, flagsAll, flagsWithoutComp, frameFlag, frameLenMin, noBytes } from './wire.ts';

const oneShot = frameFlag.START | frameFlag.END;

/** Largest `len` before HELLO is done: nobody unknown gets more than a header's worth of memory. */
export const helloFrameBytesMax: number = frameLenMin + limits.headerJsonBytesMax;

/** The first frame each way. */
export class HelloExchange {
  private readonly core: ConnectionCore;
  private readonly options: ConnectionOptions;
  private started = false;

  constructor(core: ConnectionCore, options: ConnectionOptions) {
    this.core = core;
    this.options = options;
  }

  start(): void {
    const { core } = this;
    if (core.role !== 'opener' || this.started || core.state !== 'hello') return;
    this.started = true;
    const payload = encodeHelloRequest({
      accept_max_frame: core.maxFrameBytes,
      ...(this.options.agent === undefined ? {} : { agent: this.options.agent.slice(0, 128) }),
    });
    this.write(frameFlag.REQ, payload);
  }

  /** Judges the head of a frame that arrives before HELLO is done. */
  head(head: FrameHead): PayloadMode {
    const flags = head.flags & flagsAll & ~frameFlag.ACK_REQ;
    const expected = this.core.role === 'opener' ? frameFlag.RESP | oneShot : frameFlag.REQ | oneShot;
    const addressed = head.app === appId.control && head.streamId === 0 && head.code === 0;
    const probe = this.core.role === 'acceptor' && flags === 0 && head.payloadBytes + head.capabilityBytes === 0;
    if (addressed && (flags === expected || probe)) return 'whole';
    this.core.violate('first_frame_not_hello');
    return 'drop';
  }

  /** Takes the peer's HELLO; an empty payload is the probe. */
  whole(payload: Uint8Array): void {
    if (this.core.role === 'opener') this.takeReply(payload);
    else this.takeRequest(payload);
  }

  private takeRequest(payload: Uint8Array): void {
    const { core } = this;
    let request: HelloRequest;
    try {
      request = payload.length === 0 ? { proto: 'OAP/1' } : parseHelloRequest(payload);
    } catch {
      core.violate('hello_malformed');
      return;
    }
    const maxFrame = negotiateMaxFrame(core.maxFrameBytes, request.accept_max_frame);
    if (maxFrame === undefined) {
      core.violate('hello_max_frame');
      return;
    }
    core.becomeReady(maxFrame);
    const identity = this.options.identity ?? { server_version: '', node_id: '', transports: [], revocation_seq: 0 };
    const reply: HelloReply = {
      ...identity,
      max_frame: maxFrame,
      max_inflight: core.limits.streamsPerConnectionMax,
      supported_flags: this.options.inflate === undefined ? flagsWithoutComp : flagsAll,
      oap_versions: [1],
    };
    this.write(frameFlag.RESP, encodeHelloReply(reply));
    core.handler.ready(request);
  }

  private takeReply(payload: Uint8Array): void {
    const { core } = this;
    let reply: HelloReply;
    try {
      reply = parseHelloReply(payload);
    } catch {
      core.violate('hello_malformed');
      return;
    }
    if (reply.max_frame > core.maxFrameBytes || reply.max_frame < limits.maxFrameFloorBytes) {
      core.violate('hello_max_frame');
      return;
    }
    core.streamsMax = Math.min(core.streamsMax, reply.max_inflight);
    core.becomeReady(reply.max_frame);
    core.handler.ready(reply);
  }

  private write(kind: number, payload: Uint8Array): void {
    this.core.writer.frame(kind | oneShot, 0, appId.control, 0, noBytes, payload, undefined, undefined, true);
  }
}
