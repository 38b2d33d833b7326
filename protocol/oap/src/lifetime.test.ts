import { RonError } from '@ron/proto/errors';
import { describe, expect, it } from 'vitest';
import { encodeText } from './byte-slab.ts';
import { createConnection } from './connection.ts';
import { encodeFrame } from './frame-encoder.ts';
import {
  encodeHelloReply,
  encodeHelloRequest,
  helloProbe,
  negotiateMaxFrame,
  parseHelloReply,
  parseHelloRequest,
} from './hello.ts';
import { limits } from './limits.ts';
import { encodePayload } from './payload.ts';
import { concat, hex, Loopback, Recorder, Side } from './testing/loopback.ts';
import { frameFlag } from './wire.ts';

const app = 0x0301;
const header = { op: 'put', corr_id: 'corr-0001' };

function acceptorReadyAt(nowMs: number): Side {
  const acceptor = new Side({ role: 'acceptor' });
  acceptor.connection.tick(nowMs);
  acceptor.connection.receive(helloProbe());
  return acceptor;
}

describe('time', () => {
  it.each([-1, 0, 1])('a peer has handshakeTimeoutMs %i for HELLO', (delta) => {
    const acceptor = new Side({ role: 'acceptor' });
    acceptor.connection.tick(1_000);
    acceptor.connection.receive(helloProbe().subarray(0, 5));
    acceptor.connection.tick(1_000 + limits.handshakeTimeoutMs + delta);
    expect(acceptor.recorder.closeReason).toBe(delta < 0 ? undefined : 'handshake_timeout');
    acceptor.connection.tick(1e9);
    expect(acceptor.recorder.of('closed').length).toBe(1);
  });

  it.each([-1, 0, 1])('a connection without streams may be idle for oapIdleMs %i', (delta) => {
    const acceptor = acceptorReadyAt(0);
    acceptor.connection.tick(10);
    acceptor.connection.tick(10 + limits.oapIdleMs + delta);
    expect(acceptor.recorder.closeReason).toBe(delta < 0 ? undefined : 'idle');
  });

  it('a live stream keeps an idle connection', () => {
    const acceptor = acceptorReadyAt(0);
    acceptor.connection.receive(
      encodeFrame({ flags: frameFlag.REQ | frameFlag.START, app, streamId: 1, payload: encodePayload(header) }),
    );
    for (let nowMs = 0; nowMs < 10 * limits.oapIdleMs; nowMs += 1_000) acceptor.connection.tick(nowMs);
    expect(acceptor.connection.state).toBe('ready');
  });

  it.each([
    [1, 'slow_frame'],
    [1_023, 'slow_frame'],
    [1_024, undefined],
    [1_025, undefined],
  ] as const)('a frame of %i bytes a second: %s', (perSecond, reason) => {
    const acceptor = acceptorReadyAt(0);
    const frame = encodeFrame({
      flags: frameFlag.REQ | frameFlag.START,
      app,
      streamId: 1,
      payload: new Uint8Array(900_000),
    });
    acceptor.connection.tick(0);
    acceptor.connection.receive(frame.subarray(0, 1));
    acceptor.connection.tick(1);
    let at = 1;
    for (let second = 1; second <= 30; second++) {
      acceptor.connection.receive(frame.subarray(at, at + perSecond));
      at += perSecond;
      acceptor.connection.tick(1 + second * 1_000);
    }
    expect(acceptor.recorder.closeReason).toBe(reason);
  });

  it('small frames that are cut at every tick are progress', () => {
    const acceptor = acceptorReadyAt(0);
    const frame = encodeFrame({ flags: frameFlag.EVENT, code: 1 });
    acceptor.connection.receive(frame.subarray(0, 10));
    for (let second = 1; second <= 60; second++) {
      acceptor.connection.receive(frame.subarray(10));
      acceptor.connection.receive(frame.subarray(0, 10));
      acceptor.connection.tick(second * 1_000);
    }
    expect(acceptor.connection.state).toBe('ready');
  });
});

describe('the end', () => {
  it('is orderly between frames, an error inside one and for open calls', () => {
    const orderly = new Loopback().start();
    orderly.opener.connection.ended();
    expect(orderly.opener.recorder.of('closed')).toEqual([
      { type: 'closed', close: { reason: 'done', by: 'peer', error: undefined } },
    ]);
    const busy = new Loopback().start();
    busy.opener.connection.open({ app, header });
    busy.opener.connection.ended();
    expect(busy.opener.recorder.of('closed')[0]?.close).toMatchObject({
      reason: 'done',
      error: { code: 'unavailable' },
    });
    const torn = new Side({ role: 'acceptor' });
    torn.connection.receive(helloProbe().subarray(0, 36));
    torn.connection.ended();
    expect(torn.recorder.of('closed')[0]?.close).toMatchObject({ reason: 'truncated_frame', by: 'peer' });
    expect(torn.take().length).toBe(0);
    torn.connection.ended();
    expect(torn.recorder.of('closed').length).toBe(1);
  });

  it('can be announced to the peer with an error', () => {
    const pair = new Loopback().start();
    const id = pair.opener.connection.open({ app, header });
    pair.pump();
    pair.acceptor.connection.close(new RonError('unavailable', 'draining', { retryAfterMs: 100 }));
    pair.pump();
    const close = { reason: 'refused_by_peer', by: 'peer', error: { code: 'unavailable', retryAfterMs: 100 } };
    expect(pair.opener.recorder.of('closed')[0]?.close).toMatchObject(close);
    expect(pair.opener.connection.sendBody(id, new Uint8Array(1))).toBe(0);
    expect(pair.opener.connection.canOpen).toBe(false);
    pair.opener.connection.consumed(id, 1);
    pair.opener.connection.cancel(id);
    pair.opener.connection.drained();
    pair.opener.connection.start();
    expect(pair.opener.take().length).toBe(0);
  });

  it('without an error says nothing to the peer', () => {
    const pair = new Loopback().start();
    pair.opener.connection.open({ app, header });
    pair.pump();
    pair.opener.connection.close();
    expect(pair.opener.take().length).toBe(0);
    expect(pair.opener.recorder.of('closed')[0]?.close).toMatchObject({
      reason: 'done',
      by: 'us',
      error: { code: 'unavailable' },
    });
  });
});

describe('a stream that ends while it is being sent', () => {
  it('sends no further frame', () => {
    const written: Uint8Array[] = [];
    let onWrite = () => undefined as unknown;
    const opener = createConnection({
      role: 'opener',
      handler: new Recorder(),
      write: (chunks) => {
        written.push(...chunks);
        onWrite();
        return true;
      },
    });
    opener.start();
    opener.receive(helloReplyFrame());
    const id = opener.open({ app, header });
    written.length = 0;
    onWrite = () => opener.cancel(id);
    const sent = opener.sendBody(id, new Uint8Array(limits.unsentBytesMax + 1), { end: true });
    expect(sent).toBe(limits.unsentBytesMax);
    const cancel = encodeFrame({ flags: frameFlag.EVENT, code: 499, streamId: id });
    expect(concat(written).length).toBe(limits.unsentBytesMax + 39 + cancel.length);
    expect(hex(written.at(-1) as Uint8Array)).toBe(hex(cancel));
  });
});

describe('memory that frames share', () => {
  it('is never handed out twice', () => {
    const frames = Array.from({ length: 2_000 }, (_, at) => ({
      streamId: at,
      payload: new Uint8Array(at % 97).fill(at),
    }));
    const encoded = frames.map((frame) => encodeFrame({ flags: 1, ...frame }));
    const texts = Array.from({ length: 500 }, (_, at) => encodeText(`${'é'.repeat(at % 40)}${at}`));
    for (const [at, frame] of frames.entries()) {
      expect(encoded[at]?.[29]).toBe(frame.streamId & 0xff);
      expect(hex((encoded[at] as Uint8Array).subarray(37))).toBe(hex(frame.payload));
    }
    for (const [at, text] of texts.entries())
      expect(new TextDecoder().decode(text)).toBe(`${'é'.repeat(at % 40)}${at}`);
    expect(encodeText('x'.repeat(20_000)).length).toBe(20_000);
  });
});

function helloReplyFrame(): Uint8Array {
  const acceptor = new Side({ role: 'acceptor' });
  acceptor.connection.receive(helloProbe());
  return acceptor.take();
}

describe('HELLO', () => {
  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const reply = {
    server_version: '1',
    node_id: 'n',
    max_frame: 65536,
    max_inflight: 64,
    supported_flags: 255,
    oap_versions: [1],
    transports: ['tls'],
    revocation_seq: 0,
  };

  it('round-trips, and ignores what it does not know', () => {
    expect(parseHelloRequest(encodeHelloRequest({ accept_max_frame: 5, agent: 'a' }))).toEqual({
      proto: 'OAP/1',
      accept_max_frame: 5,
      agent: 'a',
    });
    expect(parseHelloRequest(bytes({ proto: 'OAP/1', later: {} }))).toEqual({ proto: 'OAP/1' });
    expect(parseHelloReply(encodeHelloReply(reply))).toEqual(reply);
    expect(parseHelloReply(bytes({ ...reply, later: 1 }))).toEqual(reply);
  });

  it.each([
    [{}],
    [{ proto: 'OAP/2' }],
    [{ proto: 'OAP/1', accept_max_frame: '1' }],
    [{ proto: 'OAP/1', accept_max_frame: -1 }],
    [{ proto: 'OAP/1', agent: 1 }],
    [{ proto: 'OAP/1', agent: 'x'.repeat(129) }],
    [[]],
    [null],
  ])('refuses the request %j', (value) => {
    expect(() => parseHelloRequest(bytes(value))).toThrow(RonError);
  });

  it.each([
    ['server_version', 1],
    ['node_id', null],
    ['max_frame', 1.5],
    ['max_inflight', 0],
    ['max_inflight', '64'],
    ['supported_flags', -1],
    ['oap_versions', [2]],
    ['oap_versions', 1],
    ['oap_versions', ['1']],
    ['transports', [1]],
    ['transports', Array(65).fill('x')],
    ['revocation_seq', undefined],
  ])('refuses a reply with %s %j', (field, value) => {
    expect(() => parseHelloReply(bytes({ ...reply, [field]: value }))).toThrow(RonError);
  });

  it('negotiates', () => {
    expect(negotiateMaxFrame(1000, undefined)).toBe(1000);
    expect(negotiateMaxFrame(100_000, 50_000)).toBe(50_000);
    expect(negotiateMaxFrame(50_000, 100_000)).toBe(50_000);
  });
});
