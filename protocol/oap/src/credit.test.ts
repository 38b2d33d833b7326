import { RonError } from '@ron/proto/errors';
import { describe, expect, it } from 'vitest';
import type { ConnectionHandler } from './connection-types.ts';
import { encodeFrame } from './frame-encoder.ts';
import { helloProbe } from './hello.ts';
import { limits } from './limits.ts';
import { encodePayload } from './payload.ts';
import { Loopback, Side } from './testing/loopback.ts';
import { frameFlag } from './wire.ts';

const app = 0x0301;
const header = { op: 'put', corr_id: 'corr-0001' };
const { streamCreditBytes, connectionCreditBytes } = limits;

function helloReplyFrame(): Uint8Array {
  const acceptor = new Side({ role: 'acceptor' });
  acceptor.connection.receive(helloProbe());
  return acceptor.take();
}

/** An acceptor that reads at once and counts. */
function readingPair(more: Partial<ConnectionHandler> = {}) {
  const received = new Map<number, number>();
  const pair: Loopback = new Loopback({
    onAcceptor: {
      data: (id, bytes) => {
        received.set(id, (received.get(id) ?? 0) + bytes.length);
        pair.acceptor.connection.consumed(id, bytes.length);
      },
      ...more,
    },
  }).start();
  return { pair, received };
}

/** Sends `total` bytes on one stream the way a driver does, and returns how often it had to wait. */
function sendAll(pair: Loopback, id: number, total: number): number {
  const block = new Uint8Array(200_000).fill(id);
  let sent = 0;
  let waits = 0;
  while (sent < total) {
    const part = block.subarray(0, Math.min(block.length, total - sent));
    const accepted = pair.opener.connection.sendBody(id, part);
    sent += accepted;
    if (accepted < part.length) {
      waits++;
      const before = pair.opener.recorder.of('writable').length;
      pair.pump();
      expect(pair.opener.recorder.of('writable').length).toBeGreaterThan(before);
    }
  }
  pair.opener.connection.end(id);
  pair.pump();
  return waits;
}

describe('credit', () => {
  it.each([-1, 0, 1])('of a new stream is streamCreditBytes: a body of %i more', (delta) => {
    const pair = new Loopback().start();
    const id = pair.opener.connection.open({ app, header });
    const body = new Uint8Array(streamCreditBytes + delta);
    const accepted = pair.opener.connection.sendBody(id, body, { end: true });
    expect(accepted).toBe(Math.min(body.length, streamCreditBytes));
    pair.pump();
    expect(pair.acceptor.recorder.of('end').length).toBe(delta > 0 ? 0 : 1);
    expect(pair.opener.recorder.of('writable')).toEqual([]);
    pair.acceptor.connection.consumed(id, 1000);
    pair.pump();
    if (delta > 0) {
      expect(pair.opener.recorder.of('writable')).toEqual([{ type: 'writable', id }]);
      expect(pair.opener.connection.sendBody(id, body.subarray(accepted), { end: true })).toBe(1);
      pair.pump();
      expect(pair.acceptor.recorder.of('end').length).toBe(1);
    }
  });

  it.each([-1, 0, 1])('of a new connection is connectionCreditBytes: a last body of %i more', (delta) => {
    const pair = new Loopback().start();
    const streams = connectionCreditBytes / streamCreditBytes;
    for (let count = 0; count < streams - 1; count++) {
      const id = pair.opener.connection.open({ app, header });
      expect(pair.opener.connection.sendBody(id, new Uint8Array(streamCreditBytes))).toBe(streamCreditBytes);
    }
    const last = pair.opener.connection.open({ app, header });
    expect(pair.opener.connection.sendBody(last, new Uint8Array(streamCreditBytes - 1))).toBe(streamCreditBytes - 1);
    const id = pair.opener.connection.open({ app, header });
    expect(pair.opener.connection.sendBody(id, new Uint8Array(1 + delta))).toBe(delta === 1 ? 1 : 1 + delta);
    pair.pump();
    expect(pair.acceptor.recorder.of('closed')).toEqual([]);
    // A sender that ignores it is cut off.
    const rest = encodeFrame({
      flags: frameFlag.REQ,
      app,
      streamId: id,
      payload: encodePayload(undefined, new Uint8Array(2)),
    });
    pair.acceptor.connection.receive(rest);
    expect(pair.acceptor.recorder.closeReason).toBe('credit_exceeded');
  });

  it('comes back as it is consumed, so that bodies of any length pass', () => {
    const { pair, received } = readingPair();
    const id = pair.opener.connection.open({ app, header });
    expect(sendAll(pair, id, 40_000_000)).toBeGreaterThan(5);
    expect(received.get(id)).toBe(40_000_000);
  });

  it('is not given back before it is consumed', () => {
    const pair = new Loopback().start();
    const id = pair.opener.connection.open({ app, header });
    pair.opener.connection.sendBody(id, new Uint8Array(streamCreditBytes));
    pair.pump();
    expect(pair.opener.connection.sendBody(id, new Uint8Array(1))).toBe(0);
    pair.pump();
    expect(pair.opener.recorder.of('writable')).toEqual([]);
    expect(() => pair.acceptor.connection.consumed(id, streamCreditBytes + 1)).toThrow(RangeError);
    expect(() => pair.acceptor.connection.consumed(id, -1)).toThrow(RangeError);
    expect(() => pair.acceptor.connection.consumed(id, 0.5)).toThrow(RangeError);
    pair.acceptor.connection.consumed(id, streamCreditBytes);
    pair.pump();
    expect(pair.opener.recorder.of('writable')).toEqual([{ type: 'writable', id }]);
  });

  it('is shared in turn by waiting streams', () => {
    const pair = new Loopback().start();
    const streams = Array.from({ length: 17 }, () => pair.opener.connection.open({ app, header }));
    for (const id of streams) pair.opener.connection.sendBody(id, new Uint8Array(streamCreditBytes));
    const last = streams.at(-1) as number;
    expect(pair.opener.connection.sendBody(last, new Uint8Array(10))).toBe(0);
    pair.opener.connection.sendBody(streams[0] as number, new Uint8Array(10));
    pair.pump();
    for (const id of streams.slice(0, 4)) pair.acceptor.connection.consumed(id, streamCreditBytes);
    pair.pump();
    expect(
      pair.opener.recorder
        .of('writable')
        .map(({ id }) => id)
        .sort(),
    ).toEqual([streams[0], last].sort());
  });

  it('wakes nobody for whom nothing is left, and the next one first the next time', () => {
    const woken: number[] = [];
    const opener: Side = new Side(
      { role: 'opener', limits: { connectionCreditBytes: 100 } },
      {
        writable: (id) => {
          woken.push(id);
          opener.connection.sendBody(id, new Uint8Array(50));
        },
      },
    );
    opener.connection.receive(helloReplyFrame());
    const ids = [1, 2, 3].map(() => opener.connection.open({ app, header }));
    for (const id of ids) opener.connection.sendBody(id, new Uint8Array(101));
    const grantConnection = (bytes: number) => {
      const payload = new Uint8Array([bytes, 0, 0, 0]);
      opener.connection.receive(encodeFrame({ flags: frameFlag.EVENT, code: 100, payload }));
    };
    grantConnection(20);
    expect(woken).toEqual([1]);
    grantConnection(50);
    expect(woken).toEqual([1, 2]);
    grantConnection(70);
    expect(woken).toEqual([1, 2, 3, 1]);
  });

  it('covers events, and says when one may be tried again', () => {
    const pair: Loopback = new Loopback({
      onAcceptor: { open: ({ streamId }) => pair.acceptor.connection.answer(streamId, {}) },
    }).start();
    const id = pair.opener.connection.open({ app, header });
    pair.pump();
    const body = new Uint8Array(streamCreditBytes / 2);
    expect(pair.acceptor.connection.sendEvent(id, { n: 1 }, body)).toBe(true);
    expect(pair.acceptor.connection.sendEvent(id, { n: 2 }, body)).toBe(true);
    expect(pair.acceptor.connection.sendEvent(id, { n: 3 }, body)).toBe(false);
    pair.pump();
    pair.opener.connection.consumed(id, body.length);
    pair.pump();
    expect(pair.acceptor.recorder.of('writable')).toEqual([{ type: 'writable', id }]);
    expect(pair.acceptor.connection.sendEvent(id, { n: 3 }, body)).toBe(true);
  });
});

describe('refused and abandoned transfers', () => {
  const ways = ['refused', 'abandoned by the reader', 'abandoned by the sender', 'answered early'] as const;

  it.each(ways)('%s: thousands of them leave the connection as good as new', (way) => {
    const { pair, received } = readingPair({ data: () => undefined });
    const { opener, acceptor } = pair;
    const block = new Uint8Array(100_000);
    for (let round = 0; round < 50; round++) {
      const streams = Array.from({ length: limits.streamsPerConnectionMax }, () =>
        opener.connection.open({ app, header }),
      );
      for (const id of streams) opener.connection.sendBody(id, block);
      if (way === 'abandoned by the sender') for (const id of streams) opener.connection.cancel(id);
      else pair.pump((bytes) => [bytes.subarray(0, 50_001), bytes.subarray(50_001)]);
      for (const id of streams) {
        opener.connection.sendBody(id, block);
        if (way === 'refused') acceptor.connection.fail(id, new RonError('forbidden', 'no'), 'corr-0001');
        if (way === 'abandoned by the reader') acceptor.connection.cancel(id);
        if (way === 'answered early') acceptor.connection.answer(id, { end: true });
      }
      pair.pump();
      expect(opener.connection.liveStreams + acceptor.connection.liveStreams).toBe(0);
    }
    expect(opener.recorder.of('closed')).toEqual([]);
    expect(acceptor.recorder.of('closed')).toEqual([]);
    // As fresh: a full set of streams, and a full window or nearly so (what is due for a grant may still be held back).
    const id = opener.connection.open({ app, header });
    expect(opener.connection.sendBody(id, new Uint8Array(streamCreditBytes))).toBe(streamCreditBytes);
    const more = Array.from({ length: 63 }, () => opener.connection.open({ app, header }));
    let sent = streamCreditBytes;
    for (const next of more) sent += opener.connection.sendBody(next, new Uint8Array(streamCreditBytes));
    expect(sent).toBeGreaterThanOrEqual(connectionCreditBytes * 0.75);
    pair.pump();
    for (const next of [id, ...more]) acceptor.connection.cancel(next);
    pair.pump();
    expect(acceptor.connection.liveStreams).toBe(0);
    expect(received.size).toBe(0);
  });

  it('answers that the opener abandons give their credit back', () => {
    const pair: Loopback = new Loopback({
      onAcceptor: {
        open: ({ streamId }) => {
          pair.acceptor.connection.answer(streamId, {});
          pair.acceptor.connection.sendBody(streamId, new Uint8Array(500_000), { end: true });
        },
      },
    }).start();
    for (let round = 0; round < 2000; round++) {
      const id = pair.opener.connection.open({ app, header, end: true });
      if (round % 2 === 0) pair.opener.connection.cancel(id);
      pair.pump();
      // Over, but not read: the credit is held until the reader says that it never will.
      if (round % 2 === 1) pair.opener.connection.cancel(id);
      pair.pump();
    }
    expect(pair.opener.recorder.of('end').length).toBe(1000);
    expect(pair.opener.recorder.of('closed')).toEqual([]);
    expect(pair.acceptor.connection.liveStreams).toBe(0);
  });
});

describe('a negotiated max_frame', () => {
  it('bounds the frames of a body to its last byte', () => {
    const maxFrameBytes = limits.maxFrameFloorBytes;
    const pair = new Loopback({ opener: { limits: { maxFrameBytes } } }).start();
    const { opener, acceptor } = pair;
    const id = opener.connection.open({ app, header });
    opener.take();
    expect(opener.connection.sendBody(id, new Uint8Array(100_000), { header: { off: 0 }, end: true })).toBe(100_000);
    const wire = opener.take();
    const lens: number[] = [];
    for (let at = 0; at < wire.length; at += 4 + (lens.at(-1) as number)) {
      lens.push(new DataView(wire.buffer, wire.byteOffset + at).getUint32(0, true));
    }
    expect(lens.slice(0, 3)).toEqual([maxFrameBytes, maxFrameBytes, maxFrameBytes]);
    expect(lens.length).toBe(4);
    expect(acceptor.connection.maxFrameBytes).toBe(maxFrameBytes);
  });
});

describe('a transport that says stop', () => {
  it('is not asked for more because credit arrives', () => {
    const pair = new Loopback().start();
    const id = pair.opener.connection.open({ app, header });
    pair.opener.accepts = false;
    pair.opener.connection.sendBody(id, new Uint8Array(streamCreditBytes));
    pair.pump();
    pair.acceptor.connection.consumed(id, limits.unsentBytesMax);
    pair.pump();
    expect(pair.opener.recorder.of('writable')).toEqual([]);
    pair.opener.connection.drained();
    expect(pair.opener.recorder.of('writable')).toEqual([{ type: 'writable', id }]);
  });

  it('holds bodies back until it drains', () => {
    const pair = new Loopback().start();
    const { opener } = pair;
    const id = opener.connection.open({ app, header });
    opener.accepts = false;
    const body = new Uint8Array(900_000);
    expect(opener.connection.sendBody(id, body)).toBe(limits.unsentBytesMax);
    expect(opener.connection.sendBody(id, body)).toBe(0);
    opener.accepts = true;
    opener.connection.drained();
    expect(opener.recorder.of('writable')).toEqual([{ type: 'writable', id }]);
    expect(opener.connection.sendBody(id, body.subarray(limits.unsentBytesMax))).toBe(
      body.length - limits.unsentBytesMax,
    );
  });

  it.each([-1, 0, 1])('at unsentBytesHardMax %i: a peer that reads nothing is cut off past it', (delta) => {
    const reply = 100_000;
    const acceptor: Side = new Side(
      { role: 'acceptor', limits: { unsentBytesHardMax: 10 * (reply + 39) - delta } },
      { open: ({ streamId }) => acceptor.connection.answer(streamId, { body: new Uint8Array(reply), end: true }) },
    );
    acceptor.connection.receive(helloProbe());
    acceptor.accepts = false;
    for (let streamId = 1; streamId <= 11; streamId++) {
      const flags = frameFlag.REQ | frameFlag.START | frameFlag.END;
      acceptor.connection.receive(encodeFrame({ flags, app, streamId, payload: encodePayload(header) }));
    }
    // The first reply found the transport open; ten more were kept for it. The eleventh check follows the write.
    acceptor.connection.receive(
      encodeFrame({ flags: frameFlag.REQ | frameFlag.START, app, streamId: 12, payload: encodePayload({}) }),
    );
    expect(acceptor.recorder.closeReason).toBe(delta > 0 ? 'peer_not_reading' : undefined);
  });
});
