import { describe, expect, it } from 'vitest';
import type { Role } from './connection-types.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { encodeFrame, type FrameFields } from './frame-encoder.ts';
import { encodeHelloReply, encodeHelloRequest, helloProbe } from './hello.ts';
import { limits } from './limits.ts';
import { encodePayload } from './payload.ts';
import { type RefusalReason, refusalReasons } from './refusals.ts';
import { concat, hex, Side } from './testing/loopback.ts';
import { controlCode, frameFlag } from './wire.ts';

const { REQ, RESP, EVENT, START, END, COMP } = frameFlag;
const app = 0x0301;
const header = { op: 'put', corr_id: 'corr-0001' };
const start = encodePayload(header);
const body = (bytes: number) => encodePayload(undefined, new Uint8Array(bytes));
const hello = encodeHelloRequest({});
const helloReply = encodeHelloReply({
  server_version: '0.1.0',
  node_id: 'n',
  max_frame: limits.maxFrameBytes,
  max_inflight: 64,
  supported_flags: 255,
  oap_versions: [1],
  transports: ['unix'],
  revocation_seq: 0,
});
const helloFlags = { opener: RESP | START | END, acceptor: REQ | START | END };

type Step = FrameFields | Uint8Array;
interface Case {
  readonly to: Role;
  /** Frames that are accepted, then the one that is not. */
  readonly frames: readonly Step[];
  /** Requests that an opener sends first. */
  readonly opens?: number;
  readonly withoutHello?: true;
}

const open = (streamId: number, more = 0): FrameFields => ({
  flags: REQ | START | more,
  app,
  streamId,
  payload: start,
});
const answer = (streamId: number, more = 0): FrameFields => ({ flags: RESP | START | more, app, streamId });
const control = (code: number, streamId: number, payload: readonly number[] = []): FrameFields => ({
  flags: EVENT,
  code,
  streamId,
  payload: new Uint8Array(payload),
});
const edited = (frame: FrameFields, at: number, values: readonly number[]): Uint8Array => {
  const bytes = encodeFrame(frame);
  bytes.set(values, at);
  return bytes;
};
const data = (streamId: number, more = 0): FrameFields => ({ flags: REQ | more, app, streamId, payload: body(1) });
const fullFrames = (streamId: number, flags: number, bytes: number): FrameFields[] => [
  { flags, app, streamId, payload: body(bytes / 2) },
  { flags, app, streamId, payload: body(bytes / 2) },
];

const cases: [RefusalReason, Case][] = [
  ['len_too_small', { to: 'acceptor', frames: [edited({ flags: REQ }, 0, [32])] }],
  ['len_too_large', { to: 'acceptor', frames: [edited({ flags: REQ }, 0, [1, 0, 16, 0])] }],
  ['unknown_version', { to: 'acceptor', frames: [edited({ flags: REQ }, 4, [2])] }],
  ['capability_past_frame', { to: 'acceptor', frames: [edited(open(1), 27, [255])] }],
  ['capability_without_start', { to: 'acceptor', frames: [open(1), { ...data(1), capability: new Uint8Array(1) }] }],
  ['stream_id_too_large', { to: 'acceptor', frames: [edited(open(1), 35, [0x20])] }],
  ['first_frame_not_hello', { to: 'acceptor', frames: [open(1)], withoutHello: true }],
  ['first_frame_not_hello', { to: 'acceptor', frames: [control(499, 1)], withoutHello: true }],
  ['first_frame_not_hello', { to: 'acceptor', frames: [{ flags: 0, payload: hello }], withoutHello: true }],
  ['first_frame_not_hello', { to: 'acceptor', frames: [{ flags: REQ | START, payload: hello }], withoutHello: true }],
  ['first_frame_not_hello', { to: 'opener', frames: [helloProbe()], withoutHello: true }],
  ['first_frame_not_hello', { to: 'opener', frames: [{ flags: RESP | START | END, code: 202 }], withoutHello: true }],
  ['hello_malformed', { to: 'acceptor', frames: [{ flags: REQ | START | END, payload: body(3) }], withoutHello: true }],
  ['hello_malformed', { to: 'opener', frames: [{ flags: RESP | START | END, payload: body(3) }], withoutHello: true }],
  ['second_hello', { to: 'acceptor', frames: [{ flags: REQ | START | END, payload: hello }] }],
  ['second_hello', { to: 'opener', frames: [{ flags: RESP | START | END, payload: helloReply }] }],
  ['kind_ambiguous', { to: 'acceptor', frames: [helloProbe()] }],
  ['kind_ambiguous', { to: 'acceptor', frames: [{ ...open(1), flags: REQ | RESP | START }] }],
  ['kind_ambiguous', { to: 'acceptor', frames: [{ ...open(1), flags: REQ | EVENT | START }] }],
  ['kind_ambiguous', { to: 'opener', opens: 1, frames: [{ flags: EVENT | START, app, streamId: 1 }] }],
  ['stream_zero', { to: 'acceptor', frames: [open(0)] }],
  ['stream_zero', { to: 'opener', frames: [answer(0)] }],
  ['app_mismatch', { to: 'acceptor', frames: [open(1), { ...data(1), app: 0x0302 }] }],
  ['app_mismatch', { to: 'opener', opens: 1, frames: [{ flags: EVENT, app: 0x0302, streamId: 1 }] }],
  ['comp_without_start', { to: 'acceptor', frames: [open(1), data(1, COMP)] }],
  ['comp_without_start', { to: 'opener', opens: 1, frames: [{ ...answer(1, END | COMP), code: 404 }] }],
  ['code_on_request', { to: 'acceptor', frames: [{ ...open(1), code: 1 }] }],
  ['unknown_status', { to: 'opener', opens: 1, frames: [{ ...answer(1), code: 200 }] }],
  ['unknown_status', { to: 'opener', opens: 1, frames: [{ ...answer(1), code: 600 }] }],
  ['error_without_end', { to: 'opener', opens: 1, frames: [{ ...answer(1), code: 400 }] }],
  ['duplicate_start', { to: 'acceptor', frames: [open(1), open(1)] }],
  ['duplicate_start', { to: 'opener', opens: 1, frames: [answer(1), answer(1)] }],
  ['stream_id_not_growing', { to: 'acceptor', frames: [open(5), control(499, 5), open(5)] }],
  ['stream_id_not_growing', { to: 'acceptor', frames: [open(5), open(4)] }],
  ['data_without_start', { to: 'acceptor', frames: [open(1), data(2)] }],
  ['data_without_start', { to: 'acceptor', frames: [data(1, END)] }],
  ['data_without_start', { to: 'acceptor', frames: [{ flags: REQ }] }],
  ['data_without_start', { to: 'opener', opens: 1, frames: [{ flags: RESP | END, app, streamId: 1 }] }],
  ['data_after_end', { to: 'acceptor', frames: [open(1), data(1, END), data(1)] }],
  ['data_after_end', { to: 'acceptor', frames: [open(1, END), data(1, END)] }],
  ['response_without_request', { to: 'acceptor', frames: [open(1), answer(1)] }],
  ['response_without_request', { to: 'acceptor', frames: [{ flags: RESP | START }] }],
  ['response_without_request', { to: 'opener', opens: 1, frames: [answer(2)] }],
  ['response_without_request', { to: 'opener', opens: 1, frames: [{ flags: EVENT, app, streamId: 2 }] }],
  ['response_without_request', { to: 'opener', frames: [{ flags: RESP }] }],
  ['request_from_acceptor', { to: 'opener', opens: 1, frames: [data(1)] }],
  ['event_from_opener', { to: 'acceptor', frames: [open(1), { flags: EVENT, app, streamId: 1 }] }],
  ['header_past_frame', { to: 'acceptor', frames: [{ ...open(1), payload: new Uint8Array([1]) }] }],
  ['header_past_frame', { to: 'acceptor', frames: [{ ...open(1), payload: new Uint8Array([1, 0]) }] }],
  ['header_past_frame', { to: 'acceptor', frames: [open(1), { ...data(1), payload: new Uint8Array([1]) }] }],
  ['header_past_frame', { to: 'acceptor', frames: [open(1), { ...data(1), payload: new Uint8Array([2, 0, 65]) }] }],
  ['header_past_frame', { to: 'opener', opens: 1, frames: [{ ...answer(1), payload: new Uint8Array([1]) }] }],
  [
    'header_past_frame',
    { to: 'opener', opens: 1, frames: [{ flags: EVENT, app, streamId: 1, payload: new Uint8Array([1]) }] },
  ],
  ['credit_exceeded', { to: 'acceptor', frames: [open(1), ...fullFrames(1, REQ, limits.streamCreditBytes), data(1)] }],
  [
    'credit_exceeded',
    {
      to: 'opener',
      opens: 1,
      frames: [
        answer(1),
        ...fullFrames(1, RESP, limits.streamCreditBytes),
        { ...answer(1), flags: RESP, payload: body(1) },
      ],
    },
  ],
  [
    'credit_exceeded',
    {
      to: 'opener',
      opens: 1,
      frames: [...fullFrames(1, EVENT, limits.streamCreditBytes), { flags: EVENT, app, streamId: 1, payload: body(1) }],
    },
  ],
  ['credit_malformed', { to: 'acceptor', frames: [control(controlCode.credit, 0, [1, 0, 0])] }],
  ['credit_malformed', { to: 'acceptor', frames: [control(controlCode.credit, 0, [1, 0, 0, 0, 0])] }],
  ['credit_malformed', { to: 'acceptor', frames: [control(controlCode.credit, 0, [0, 0, 0, 0])] }],
  [
    'credit_malformed',
    {
      to: 'acceptor',
      frames: [control(controlCode.credit, 0, [0xff, 0xff, 0xff, 0xfe])].concat(
        control(controlCode.credit, 0, [1, 0, 0, 0]),
      ),
    },
  ],
  ['control_malformed', { to: 'acceptor', frames: [control(controlCode.credit, 1, [1, 0, 0, 0])] }],
  ['control_malformed', { to: 'acceptor', frames: [control(controlCode.cancel, 1)] }],
  ['control_malformed', { to: 'acceptor', frames: [control(controlCode.cancel, 0)] }],
  ['control_malformed', { to: 'acceptor', frames: [open(1), control(controlCode.cancel, 1, [0])] }],
  ['control_malformed', { to: 'acceptor', frames: [open(1), control(controlCode.ack, 1, [0])] }],
  ['control_malformed', { to: 'acceptor', frames: [open(1), control(controlCode.ack, 2)] }],
];

const helloMaxFrames: [number, RefusalReason | undefined][] = [
  [limits.maxFrameFloorBytes - 1, 'hello_max_frame'],
  [limits.maxFrameFloorBytes, undefined],
  [limits.maxFrameFloorBytes + 1, undefined],
  [limits.maxFrameBytes - 1, undefined],
  [limits.maxFrameBytes, undefined],
];

function run(given: Case, pieceBytes: number): Side {
  const side = new Side({ role: given.to });
  const { connection } = side;
  connection.start();
  if (given.withoutHello !== true) {
    const payload = given.to === 'opener' ? helloReply : hello;
    connection.receive(encodeFrame({ flags: helloFlags[given.to], payload }));
  }
  for (let count = 0; count < (given.opens ?? 0); count++) connection.open({ app, header });
  side.take();
  const last = given.frames.length - 1;
  for (const [index, step] of given.frames.entries()) {
    expect(connection.state, `closed before frame ${index}`).not.toBe('closed');
    const bytes = step instanceof Uint8Array ? step : encodeFrame(step);
    const size = index === last ? pieceBytes : bytes.length;
    for (let at = 0; at < bytes.length; at += size) connection.receive(bytes.subarray(at, at + size));
  }
  return side;
}

/** Frames that a side wrote. */
function framesOf(bytes: Uint8Array): { flags: number; code: number; streamId: number; payload: Uint8Array }[] {
  const frames: { flags: number; code: number; streamId: number; payload: Uint8Array }[] = [];
  const decoder = new FrameDecoder({
    head: () => 'whole',
    whole: ({ flags, code, streamId }, _capability, payload) => frames.push({ flags, code, streamId, payload }),
    part: () => undefined,
    refused: (reason) => expect.unreachable(reason),
  });
  decoder.push(bytes);
  return frames;
}

describe('a violation closes the connection and says why', () => {
  it.each(cases.map(([reason, given], index) => ({ reason, given, index })))(
    '$index: $reason at the $given.to',
    ({ reason, given }) => {
      for (const pieceBytes of [1 << 21, 1]) {
        const side = run(given, pieceBytes);
        expect(side.recorder.closeReason).toBe(reason);
        expect(side.recorder.of('closed').length).toBe(1);
        expect(side.connection.state).toBe('closed');
        expect(side.connection.liveStreams).toBe(0);
        const goodbye = framesOf(side.take()).at(-1);
        expect(goodbye).toMatchObject({ flags: RESP | END, code: 400, streamId: 0 });
        const envelope = JSON.parse(new TextDecoder().decode(goodbye?.payload));
        expect(envelope).toMatchObject({ code: 'bad_request', retryable: false, details: { reason } });
        // Nothing more is heard or said.
        side.connection.receive(encodeFrame(open(99)));
        side.connection.close();
        expect(side.recorder.of('closed').length).toBe(1);
        expect(side.take().length).toBe(0);
      }
    },
  );

  it.each(helloMaxFrames)('accept_max_frame %i: %s', (accept_max_frame, reason) => {
    const acceptor = new Side({ role: 'acceptor' });
    const payload = encodeHelloRequest({ accept_max_frame });
    acceptor.connection.receive(encodeFrame({ flags: REQ | START | END, payload }));
    expect(acceptor.recorder.closeReason).toBe(reason);
    if (reason === undefined) expect(acceptor.connection.maxFrameBytes).toBe(accept_max_frame);
    const opener = new Side({ role: 'opener' });
    const reply = { ...JSON.parse(new TextDecoder().decode(helloReply)), max_frame: accept_max_frame };
    opener.connection.receive(encodeFrame({ flags: RESP | START | END, payload: encodeHelloReply(reply) }));
    expect(opener.recorder.closeReason).toBe(reason);
  });

  it('an opener refuses a max_frame above its own', () => {
    const opener = new Side({ role: 'opener', limits: { maxFrameBytes: limits.maxFrameBytes - 1 } });
    opener.connection.receive(encodeFrame({ flags: RESP | START | END, payload: helloReply }));
    expect(opener.recorder.closeReason).toBe('hello_max_frame');
  });

  it('every reason is shown by a test', () => {
    const elsewhere = ['hello_max_frame', 'truncated_frame', 'handshake_timeout', 'slow_frame', 'peer_not_reading'];
    expect(new Set([...cases.map(([reason]) => reason), ...elsewhere])).toEqual(new Set(refusalReasons));
  });

  it('the peer that is told does not answer', () => {
    const side = run({ to: 'acceptor', frames: [open(1), open(1)] }, 1 << 21);
    const goodbye = side.take();
    const opener = new Side({ role: 'opener' });
    opener.connection.receive(encodeFrame({ flags: RESP | START | END, payload: helloReply }));
    opener.connection.receive(concat([goodbye, goodbye]));
    expect(opener.recorder.of('closed')).toMatchObject([
      { close: { reason: 'refused_by_peer', by: 'peer', error: { code: 'bad_request' } } },
    ]);
    expect(hex(opener.take())).toBe('');
  });
});
