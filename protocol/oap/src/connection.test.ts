import { zstdDecompressSync } from 'node:zlib';
import { RonError } from '@ron/proto/errors';
import { describe, expect, it } from 'vitest';
import { createConnection } from './connection.ts';
import { encodeFrame } from './frame-encoder.ts';
import type { RequestHeader } from './headers.ts';
import { helloProbe } from './hello.ts';
import { helloFrameBytesMax } from './hello-exchange.ts';
import type { Inflate } from './inflate.ts';
import { limits } from './limits.ts';
import { encodePayload } from './payload.ts';
import { concat, Loopback, Recorder, Side } from './testing/loopback.ts';
import { controlCode, frameFlag } from './wire.ts';

const { REQ, RESP, EVENT, START, END } = frameFlag;
const app = 0x0301;
const header: RequestHeader = { op: 'get', corr_id: 'corr-0001' };
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const inflate: Inflate = (bytes, maxOutputLength) => zstdDecompressSync(bytes, { maxOutputLength });

describe('a connection', () => {
  it('negotiates max_frame downward, tells who is who, and allows no stream before', () => {
    const identity = { server_version: '1.2.3', node_id: 'node', transports: ['unix'], revocation_seq: 7 };
    const pair = new Loopback({
      opener: { agent: 'test', limits: { maxFrameBytes: 100_000 } },
      acceptor: { identity, limits: { streamsPerConnectionMax: 8 } },
    });
    expect(pair.opener.connection.canOpen).toBe(false);
    expect(() => pair.opener.connection.open({ app, header })).toThrow(RonError);
    pair.start();
    pair.opener.connection.start();
    expect(pair.opener.written).toEqual([]);
    expect(pair.opener.connection.maxFrameBytes).toBe(100_000);
    expect(pair.acceptor.connection.maxFrameBytes).toBe(100_000);
    expect(pair.acceptor.recorder.told).toEqual([
      { type: 'ready', peer: { proto: 'OAP/1', accept_max_frame: 100_000, agent: 'test' } },
    ]);
    const peer = { ...identity, max_frame: 100_000, max_inflight: 8, supported_flags: 0xbf, oap_versions: [1] };
    expect(pair.opener.recorder.told).toEqual([{ type: 'ready', peer }]);
    for (let count = 0; count < 8; count++) pair.opener.connection.open({ app, header });
    expect(pair.opener.connection.canOpen).toBe(false);
  });

  it('answers the probe, and bounds HELLO to a header', () => {
    const acceptor = new Side({ role: 'acceptor', inflate });
    acceptor.connection.receive(helloProbe());
    expect(acceptor.connection.state).toBe('ready');
    expect(text(acceptor.take())).toContain('"max_frame":1048576,"max_inflight":64,"supported_flags":255');
    const late = new Side({ role: 'acceptor' });
    late.connection.receive(
      encodeFrame({ flags: REQ | START | END, payload: new Uint8Array(helloFrameBytesMax - 32) }),
    );
    expect(late.recorder.closeReason).toBe('len_too_large');
  });

  it('carries a one-shot call', () => {
    const pair = new Loopback({
      onAcceptor: {
        open: ({ streamId, body }) => {
          pair.acceptor.connection.answer(streamId, { body: utf8(text(body).toUpperCase()), end: true });
        },
      },
    }).start();
    const capability = utf8('cap');
    const tenant = new Uint8Array(16).fill(9);
    const id = pair.opener.connection.open({ app, header, body: utf8('{"a":1}'), capability, tenant, end: true });
    pair.pump();
    const opened = { streamId: id, app, tenant, header, end: true, sealed: false };
    expect(pair.acceptor.recorder.of('open')[0]?.stream).toMatchObject(opened);
    expect(text(pair.acceptor.recorder.of('open')[0]?.stream.capability)).toBe('cap');
    const answer = pair.opener.recorder.of('answer')[0]?.answer;
    expect(answer).toMatchObject({ streamId: id, code: 0, header: {}, end: true, sealed: false });
    expect(text(answer?.body)).toBe('{"A":1}');
    expect(pair.opener.connection.liveStreams + pair.acceptor.connection.liveStreams).toBe(0);
  });

  it('carries bodies both ways with headers, acknowledgements and seals, split byte by byte', () => {
    const pair = new Loopback().start();
    const { opener, acceptor } = pair;
    const byteByByte = (bytes: Uint8Array) => [...bytes].map((byte) => new Uint8Array([byte]));
    const id = opener.connection.open({ app, header, ackRequest: true, sealed: true });
    expect(opener.connection.sendBody(id, utf8('hello '), { header: { off: 0 }, ackRequest: true })).toBe(6);
    expect(opener.connection.sendBody(id, utf8('world'), { end: true, sealed: true })).toBe(5);
    expect(opener.connection.sendBody(id, utf8('late'))).toBe(0);
    expect(opener.connection.end(id)).toBe(false);
    pair.pump(byteByByte);
    expect(opener.recorder.of('ack')).toEqual([
      { type: 'ack', id },
      { type: 'ack', id },
    ]);
    expect(acceptor.recorder.of('open')[0]?.stream.sealed).toBe(true);
    expect(text(concat(acceptor.recorder.of('data').map(({ bytes }) => bytes)))).toBe('hello world');
    expect(acceptor.recorder.of('data')[0]?.header).toEqual({ off: 0 });
    expect(acceptor.recorder.of('end')).toEqual([{ type: 'end', id, header: undefined }]);
    const obj = `b3:${'0a'.repeat(32)}`;
    expect(
      acceptor.connection.answer(id, { code: 206, header: { corr_id: 'corr-0001', body_bytes: 3 }, ackRequest: true }),
    ).toBe(true);
    expect(acceptor.connection.sendEvent(id, { n: 1 }, utf8('push'))).toBe(true);
    expect(acceptor.connection.sendBody(id, utf8('abc'))).toBe(3);
    expect(acceptor.connection.end(id, { obj })).toBe(true);
    expect(acceptor.connection.answer(id, {})).toBe(false);
    expect(acceptor.connection.sendEvent(id, {})).toBe(false);
    pair.pump(byteByByte);
    const answer = { streamId: id, code: 206, header: { corr_id: 'corr-0001', body_bytes: 3 }, end: false };
    expect(opener.recorder.of('answer')[0]?.answer).toMatchObject(answer);
    expect(opener.recorder.of('event')[0]).toMatchObject({ header: { n: 1 } });
    expect(text(opener.recorder.of('event')[0]?.body)).toBe('push');
    expect(opener.recorder.of('end')).toEqual([{ type: 'end', id, header: { obj } }]);
    expect(acceptor.recorder.of('ack')).toEqual([{ type: 'ack', id }]);
    expect(opener.connection.liveStreams + acceptor.connection.liveStreams).toBe(0);
    expect(opener.connection.heldBytes).toBe(0);
    // What was not read keeps its credit until it is consumed, also when the stream is over.
    opener.connection.consumed(id, 4);
    opener.connection.consumed(id, 3);
    opener.connection.consumed(id, 1);
    expect(() => pair.pump()).not.toThrow();
  });

  it('ends a request early with an error, and drops what is still on the way', () => {
    const pair = new Loopback({
      onAcceptor: {
        open: ({ streamId }) => pair.acceptor.connection.fail(streamId, new RonError('forbidden', 'no'), 'corr-0001'),
      },
    }).start();
    const { opener, acceptor } = pair;
    const id = opener.connection.open({ app, header });
    opener.connection.sendBody(id, new Uint8Array(1000));
    opener.connection.sendBody(id, new Uint8Array(1000), { end: true });
    pair.pump();
    expect(opener.recorder.of('error')).toMatchObject([{ id, error: { code: 'forbidden', message: 'no' } }]);
    expect(acceptor.recorder.of('data')).toEqual([]);
    expect(acceptor.recorder.of('closed')).toEqual([]);
    expect(opener.connection.sendBody(id, utf8('x'))).toBe(0);
    expect(acceptor.connection.fail(id, new RonError('internal', 'again'), 'corr-0001')).toBe(false);
    opener.connection.cancel(id);
    expect(opener.written).toEqual([]);
  });

  it('cancels from both sides', () => {
    const pair = new Loopback().start();
    const { opener, acceptor } = pair;
    const first = opener.connection.open({ app, header });
    const second = opener.connection.open({ app, header });
    pair.pump();
    acceptor.connection.answer(first, {});
    acceptor.connection.sendBody(first, utf8('on the way'));
    acceptor.connection.sendEvent(first, {}, utf8('push'));
    acceptor.connection.fail(second, new RonError('not_found', 'no'), 'corr-0001');
    opener.connection.cancel(first);
    opener.connection.cancel(second);
    pair.pump();
    expect(acceptor.recorder.of('cancel')).toEqual([{ type: 'cancel', id: first }]);
    expect(opener.recorder.told.length).toBe(1);
    const third = opener.connection.open({ app, header });
    pair.pump();
    acceptor.connection.cancel(third);
    pair.pump();
    expect(opener.recorder.of('cancel')).toEqual([{ type: 'cancel', id: third }]);
    expect(opener.connection.liveStreams + acceptor.connection.liveStreams).toBe(0);
    expect(opener.connection.state).toBe('ready');
  });

  it('a cancel inside a frame drops the rest of that frame', () => {
    const pair = new Loopback({ onAcceptor: { data: (id) => pair.acceptor.connection.cancel(id) } }).start();
    const id = pair.opener.connection.open({ app, header });
    pair.opener.connection.sendBody(id, new Uint8Array(100), { end: true });
    pair.pump((bytes) => [bytes.slice(0, bytes.length - 50), bytes.slice(bytes.length - 50)]);
    expect(pair.acceptor.recorder.of('data').length).toBe(1);
    expect(pair.acceptor.recorder.of('end')).toEqual([]);
  });

  it.each([-1, 0, 1])('allows streamsPerConnectionMax %i streams', (delta) => {
    const acceptor = new Side({ role: 'acceptor' });
    acceptor.connection.receive(helloProbe());
    acceptor.take();
    const count = limits.streamsPerConnectionMax + delta;
    for (let streamId = 1; streamId <= count; streamId++) {
      acceptor.connection.receive(encodeFrame({ flags: REQ | START, app, streamId, payload: encodePayload(header) }));
    }
    expect(acceptor.connection.liveStreams).toBe(Math.min(count, limits.streamsPerConnectionMax));
    expect(text(acceptor.take()).includes('"unavailable"')).toBe(delta > 0);
    expect(acceptor.connection.state).toBe('ready');
    // Frames of the refused one are late, not violations.
    acceptor.connection.receive(
      encodeFrame({ flags: REQ, app, streamId: count, payload: encodePayload(undefined, utf8('x')) }),
    );
    expect(acceptor.connection.state).toBe('ready');
  });

  it('refuses a stream, not the connection, for what its header says', () => {
    const acceptor = new Side({ role: 'acceptor' });
    acceptor.connection.receive(helloProbe());
    acceptor.take();
    let streamId = 0;
    const verdict = (payload: Uint8Array, capability = new Uint8Array(0)): string => {
      streamId++;
      acceptor.connection.receive(encodeFrame({ flags: REQ | START, app, streamId, payload, capability }));
      const code = /"code":"([a-z_]+)"/.exec(text(acceptor.take()))?.[1] ?? 'accepted';
      if (code === 'accepted') acceptor.connection.fail(streamId, new RonError('internal', 'x'), 'corr-0001');
      acceptor.take();
      return code;
    };
    const raw = (json: string) => {
      const bytes = utf8(json);
      return concat([new Uint8Array([bytes.length, bytes.length >> 8]), bytes]);
    };
    const padded = (bytes: number) => {
      const json = JSON.stringify(header);
      return raw(json + ' '.repeat(bytes - json.length));
    };
    const bad: unknown[] = [{}, { ...header, x: 1 }, { op: 'get' }, { corr_id: 'corr-0001' }, { ...header, op: 1 }];
    bad.push({ ...header, corr_id: 'short' }, { ...header, deadline_ms: -1 }, { ...header, deadline_ms: 1.5 }, []);
    bad.push(
      { ...header, traceparent: '00-0-0-0' },
      { ...header, idempotency_key: '' },
      { ...header, body_bytes: '1' },
    );
    for (const item of bad) expect(verdict(raw(JSON.stringify(item)))).toBe('bad_request');
    expect(verdict(new Uint8Array(0))).toBe('bad_request');
    expect(verdict(raw('{"op":"a","corr_id":"corr-0001","op":"b"}'))).toBe('bad_request');
    expect(verdict(raw('{"op":"a","corr_id":"corr-0001","deadline_ms":1e309}'))).toBe('bad_request');
    expect(verdict(raw('{"op":"a","corr_id":"corr-0001","__proto__":{}}'))).toBe('bad_request');
    expect(verdict(raw('['.repeat(16_000)))).toBe('bad_request');
    expect(verdict(new Uint8Array([2, 0, 0x22, 0xff]))).toBe('bad_request');
    for (const [delta, code] of [
      [-1, 'accepted'],
      [0, 'accepted'],
      [1, 'headers_too_large'],
    ] as const) {
      expect(verdict(padded(limits.headerJsonBytesMax + delta))).toBe(code);
      expect(verdict(padded(100), new Uint8Array(limits.capabilityBytesMax + delta))).toBe(code);
    }
    const all = {
      ...header,
      deadline_ms: 1,
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      idempotency_key: 'k',
      body_bytes: 0,
    };
    expect(verdict(encodePayload(all))).toBe('accepted');
    expect(acceptor.connection.state).toBe('ready');
  });

  it('refuses a stream for the header of its data, on either side', () => {
    for (const [bad, code] of [
      [{ obj: 'b3:00' }, 'bad_request'],
      [{ off: -1 }, 'bad_request'],
    ] as const) {
      const pair = new Loopback().start();
      const id = pair.opener.connection.open({ app, header });
      pair.opener.connection.sendBody(id, utf8('x'), { header: bad, end: true });
      pair.pump();
      expect(pair.acceptor.recorder.of('cancel')).toEqual([{ type: 'cancel', id }]);
      expect(pair.opener.recorder.of('error')).toMatchObject([{ id, error: { code } }]);
      expect(pair.acceptor.recorder.of('end')).toEqual([]);
    }
    const pair = new Loopback().start();
    const id = pair.opener.connection.open({ app, header });
    pair.pump();
    const long = encodeFrame({
      flags: REQ,
      app,
      streamId: id,
      payload: concat([new Uint8Array([1, 64]), new Uint8Array(16_385)]),
    });
    for (const byte of long) pair.acceptor.connection.receive(new Uint8Array([byte]));
    pair.pump();
    expect(pair.opener.recorder.of('error')).toMatchObject([{ id, error: { code: 'headers_too_large' } }]);
    const other = pair.opener.connection.open({ app, header });
    pair.pump();
    pair.acceptor.connection.answer(other, {});
    pair.acceptor.connection.sendBody(other, utf8('x'), { header: { off: 0.5 } });
    pair.pump();
    expect(pair.opener.recorder.of('error')[1]).toMatchObject({ id: other, error: { code: 'bad_request' } });
    expect(pair.acceptor.recorder.of('cancel')).toEqual(
      [id, other].map((cancelled) => ({ type: 'cancel', id: cancelled })),
    );
    const third = pair.opener.connection.open({ app, header });
    pair.pump();
    pair.acceptor.connection.answer(third, { header: { body_bytes: -1 } });
    const fourth = pair.opener.connection.open({ app, header });
    pair.pump();
    pair.opener.connection.receive(
      encodeFrame({ flags: EVENT, app, streamId: fourth, payload: new Uint8Array([1, 0, 0x5b]) }),
    );
    expect(pair.opener.recorder.of('error').length).toBe(4);
    expect(pair.opener.recorder.of('event')).toEqual([]);
  });

  it('delivers a header that comes without body, and an event without header', () => {
    const pair = new Loopback().start();
    const id = pair.opener.connection.open({ app, header });
    pair.opener.connection.sendBody(id, new Uint8Array(0), { header: { off: 5 } });
    pair.pump();
    expect(pair.acceptor.recorder.of('data')).toEqual([
      { type: 'data', id, bytes: new Uint8Array(0), header: { off: 5 } },
    ]);
    pair.opener.connection.receive(encodeFrame({ flags: EVENT | frameFlag.ACK_REQ, app, streamId: id }));
    expect(pair.opener.recorder.of('event')).toEqual([{ type: 'event', id, header: {}, body: new Uint8Array(0) }]);
    pair.pump();
    expect(pair.acceptor.recorder.of('ack')).toEqual([{ type: 'ack', id }]);
  });

  it('ignores unknown control events and reserved flags', () => {
    const acceptor = new Side({ role: 'acceptor' });
    acceptor.connection.receive(encodeFrame({ flags: 0xff00 }));
    acceptor.connection.receive(encodeFrame({ flags: EVENT | 0x8000, code: 777, payload: new Uint8Array(100) }));
    acceptor.connection.receive(
      encodeFrame({ flags: REQ | START | 0x4200, app, streamId: 1, payload: encodePayload(header) }),
    );
    expect(acceptor.recorder.of('open').length).toBe(1);
    acceptor.connection.cancel(1);
    // Controls for a stream that is over mean nothing.
    acceptor.connection.receive(encodeFrame({ flags: EVENT, code: controlCode.cancel, streamId: 1 }));
    acceptor.connection.receive(
      encodeFrame({ flags: EVENT, code: controlCode.credit, streamId: 1, payload: new Uint8Array([1, 0, 0, 0]) }),
    );
    expect(acceptor.connection.state).toBe('ready');
  });

  it('reads every error it may be sent, with or without a good envelope', () => {
    const pair = new Loopback().start();
    const fail = (code: number, payload: Uint8Array, more = 0) => {
      const id = pair.opener.connection.open({ app, header });
      pair.opener.connection.receive(encodeFrame({ flags: RESP | END | more, code, app, streamId: id, payload }));
      return pair.opener.recorder.of('error').at(-1)?.error;
    };
    const details = { a: 1 };
    const envelope = new RonError('quota_exhausted', 'slow', { retryAfterMs: 5, details }).toEnvelope('corr-0001');
    const expected = {
      code: 'quota_exhausted',
      message: 'slow',
      retryAfterMs: 5,
      details: { a: 1, corr_id: 'corr-0001' },
    };
    expect(fail(429, utf8(JSON.stringify(envelope)))).toMatchObject(expected);
    expect(fail(429, utf8(JSON.stringify(envelope)), START)).toMatchObject(expected);
    expect(fail(404, new Uint8Array(0))).toMatchObject({ code: 'not_found' });
    expect(fail(404, utf8('{'))).toMatchObject({ code: 'not_found' });
    expect(fail(599, new Uint8Array(0))).toMatchObject({ code: 'internal' });
    const id = pair.opener.connection.open({ app, header });
    pair.pump();
    const huge = { text: 'x'.repeat(20_000) };
    pair.acceptor.connection.fail(id, new RonError('conflict', 'c', { details: huge }), 'corr-0001');
    pair.pump();
    expect(pair.opener.recorder.of('error').at(-1)?.error).toMatchObject({ code: 'conflict', message: 'conflict' });
  });

  it('refuses its own driver what the wire cannot carry', () => {
    const pair = new Loopback().start();
    const { opener, acceptor } = pair;
    const room = opener.connection.maxFrameBytes - 35 - JSON.stringify(header).length;
    expect(() => opener.connection.open({ app, header, body: new Uint8Array(room + 1) })).toThrow('too large');
    expect(() => opener.connection.open({ app, header, capability: new Uint8Array(4097) })).toThrow('too large');
    expect(() => opener.connection.open({ app, header: { ...header, op: 'x'.repeat(17_000) } })).toThrow('too long');
    expect(() => opener.connection.open({ app: 0, header })).toThrow(RangeError);
    expect(() => opener.connection.open({ app, header, tenant: new Uint8Array(3) })).toThrow(RangeError);
    const id = opener.connection.open({ app, header, body: new Uint8Array(room) });
    pair.pump();
    expect(() => opener.connection.answer(id, {})).toThrow(RangeError);
    expect(() => opener.connection.fail(id, new RonError('internal', ''), 'corr-0001')).toThrow(RangeError);
    expect(() => opener.connection.sendEvent(id, {})).toThrow(RangeError);
    expect(() => acceptor.connection.open({ app, header })).toThrow(RonError);
    expect(() => acceptor.connection.sendBody(id, utf8('x'))).toThrow(RangeError);
    expect(() => acceptor.connection.answer(id, { code: 200 })).toThrow(RangeError);
    expect(() => acceptor.connection.answer(id, { body: new Uint8Array(1 << 20) })).toThrow('too large');
    expect(() => acceptor.connection.sendEvent(id, {}, new Uint8Array(1 << 20))).toThrow('too large');
    expect(acceptor.connection.answer(id, {})).toBe(true);
    expect(() => acceptor.connection.answer(id, {})).toThrow(RangeError);
    const write = () => true;
    for (const maxFrameBytes of [limits.maxFrameFloorBytes - 1, limits.maxFrameBytes + 1]) {
      expect(() =>
        createConnection({ role: 'opener', handler: new Recorder(), write, limits: { maxFrameBytes } }),
      ).toThrow(RangeError);
    }
  });

  it('takes bytes that arrive while it handles others in their order', () => {
    const second = encodeFrame({ flags: REQ | START, app, streamId: 2, payload: encodePayload(header) });
    const acceptor: Side = new Side(
      { role: 'acceptor' },
      { open: ({ streamId }) => streamId === 1 && acceptor.connection.receive(second) },
    );
    const first = encodeFrame({ flags: REQ | START, app, streamId: 1, payload: encodePayload(header) });
    const end = encodeFrame({ flags: REQ | END, app, streamId: 1 });
    acceptor.connection.receive(concat([helloProbe(), first, end]));
    expect(acceptor.recorder.told.map(({ type }) => type)).toEqual(['ready', 'open', 'end', 'open']);
  });
});
