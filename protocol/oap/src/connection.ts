import { RonError } from '@ron/proto/errors';
import { ConnectionCore } from './connection-core.ts';
import type { Connection, ConnectionOptions } from './connection-types.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { HelloExchange, helloFrameBytesMax } from './hello-exchange.ts';
import { Inbound } from './inbound.ts';
import { Outbound } from './outbound.ts';
import { ProgressGuard } from './progress-guard.ts';
import { refusalError } from './refusals.ts';

/**
 * Makes one side of an OAP/1 connection. Wire it to a transport with four calls: its bytes to `receive`, its drain to
 * `drained`, its end to `ended`, a timer to `tick`; bytes to send come out of `options.write`.
 *
 * @throws RangeError when `limits.maxFrameBytes` is outside 32 KiB … 1 MiB.
 */
export function createConnection(options: ConnectionOptions): Connection {
  const core = new ConnectionCore(options);
  const hello = new HelloExchange(core, options);
  const inbound = new Inbound(core, hello, options.inflate);
  const outbound = new Outbound(core);
  const decoder = new FrameDecoder(inbound, helloFrameBytesMax);
  const guard = new ProgressGuard(core.limits);
  core.decoder = decoder;

  return {
    role: core.role,
    get state() {
      return core.state;
    },
    get maxFrameBytes() {
      return core.maxFrameBytes;
    },
    get liveStreams() {
      return core.streams.live;
    },
    get canOpen() {
      return outbound.canOpen;
    },
    get heldBytes() {
      return decoder.heldBytes + inbound.heldBytes;
    },
    start: () => hello.start(),
    receive: createReceiver(core, decoder, guard),
    drained() {
      core.writer.drained();
      core.wake();
    },
    ended() {
      if (decoder.insideFrame) {
        core.close({ reason: 'truncated_frame', by: 'peer', error: refusalError('truncated_frame') }, false);
      } else core.close({ reason: 'done', by: 'peer', error: lostCalls(core) }, false);
    },
    tick(nowMs) {
      if (core.state === 'closed') return;
      const reason = guard.judge(nowMs, {
        ready: core.state === 'ready',
        insideFrame: decoder.insideFrame,
        frames: inbound.frames,
        liveStreams: core.streams.live,
      });
      if (reason === 'idle') core.close({ reason, by: 'us', error: undefined }, false);
      else if (reason !== undefined) core.violate(reason);
    },
    close(error) {
      core.close({ reason: 'done', by: 'us', error: error ?? lostCalls(core) }, error !== undefined);
    },
    open: (request) => outbound.open(request),
    answer: (streamId, answer) => outbound.answer(streamId, answer),
    fail: (streamId, error, corrId) => outbound.fail(streamId, error, corrId),
    sendBody: (streamId, bytes, sendOptions) => outbound.sendBody(streamId, bytes, sendOptions),
    end: (streamId, header) => outbound.end(streamId, header),
    sendEvent: (streamId, header, body) => outbound.sendEvent(streamId, header, body),
    cancel: (streamId) => outbound.cancel(streamId),
    consumed: (streamId, bytes) => outbound.consumed(streamId, bytes),
  };
}

/** Everything sent while one piece is handled leaves in one write. A piece that arrives meanwhile waits its turn. */
function createReceiver(
  core: ConnectionCore,
  decoder: FrameDecoder,
  guard: ProgressGuard,
): (bytes: Uint8Array) => void {
  const queued: Uint8Array[] = [];
  let receiving = false;
  return (bytes) => {
    queued.push(bytes);
    if (receiving) return;
    receiving = true;
    try {
      for (let next = queued.shift(); next !== undefined && core.state !== 'closed'; next = queued.shift()) {
        guard.received(next.length);
        core.writer.cork();
        decoder.push(next);
        core.writer.uncork();
      }
    } finally {
      receiving = false;
      core.writer.uncork();
    }
  };
}

function lostCalls(core: ConnectionCore): RonError | undefined {
  return core.streams.live === 0 ? undefined : new RonError('unavailable', 'the connection ended');
}
