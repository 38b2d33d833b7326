import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameDecoder, type FrameHead, type PayloadMode } from './frame-decoder.ts';
import { encodeFrame, type FrameFields } from './frame-encoder.ts';
import { limits } from './limits.ts';
import { concat, hex } from './testing/loopback.ts';
import { frameFlag } from './wire.ts';

interface Decoded {
  readonly head: FrameHead;
  readonly mode: PayloadMode;
  capability: string;
  payload: string;
  lasts: number;
}

/** Decodes pieces; heads and joined payloads are all that may not depend on the split. */
function decode(pieces: readonly Uint8Array[], modeOf: (head: FrameHead) => PayloadMode, max?: number) {
  const frames: Decoded[] = [];
  let refused: string | undefined;
  const decoder = new FrameDecoder(
    {
      head(head) {
        const mode = modeOf(head);
        frames.push({ head, mode, capability: '', payload: '', lasts: 0 });
        return mode;
      },
      whole(_head, capability, payload) {
        const frame = frames.at(-1) as Decoded;
        frame.capability = hex(capability);
        frame.payload = hex(payload);
        frame.lasts++;
      },
      part(_head, bytes, last) {
        const frame = frames.at(-1) as Decoded;
        frame.payload += hex(bytes);
        if (last) frame.lasts++;
      },
      refused(reason) {
        refused = reason;
      },
    },
    max,
  );
  let heldMax = 0;
  for (const piece of pieces) {
    decoder.push(piece);
    heldMax = Math.max(heldMax, decoder.heldBytes);
  }
  return { frames, refused, heldMax, insideFrame: decoder.insideFrame, decoder };
}

const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const frames = fc.record({
  flags: fc.integer({ min: 0, max: 0xffff }),
  code: fc.integer({ min: 0, max: 0xffff }),
  app: fc.integer({ min: 0, max: 0xffff }),
  tenant: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  streamId: fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, limits.streamIdMax)),
  capability: bytes(300),
  payload: fc.oneof(bytes(10), bytes(3000)),
});
const cuts = fc.array(fc.integer({ min: 0, max: 4000 }), { maxLength: 30 });

function legal(frame: FrameFields): FrameFields {
  return (frame.flags & frameFlag.START) === 0 ? { ...frame, capability: new Uint8Array(0) } : frame;
}

function cut(whole: Uint8Array, at: readonly number[]): Uint8Array[] {
  const points = [0, ...at.map((point) => point % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return points.slice(1).map((to, index) => whole.slice(points[index], to));
}

const modeByCode = (head: FrameHead): PayloadMode =>
  head.capabilityBytes > 0 || head.code % 3 === 0 ? 'whole' : head.code % 3 === 1 ? 'parts' : 'drop';

describe('frames', () => {
  it('come back as they were encoded, however the bytes are split', () => {
    fc.assert(
      fc.property(fc.array(frames, { minLength: 1, maxLength: 6 }), cuts, (list, at) => {
        const sent = list.map(legal);
        const wire = concat(sent.map(encodeFrame));
        const result = decode(cut(wire, at), modeByCode);
        expect(result.refused).toBeUndefined();
        expect(result.insideFrame).toBe(false);
        expect(result.frames.length).toBe(sent.length);
        for (const [index, frame] of sent.entries()) {
          const got = result.frames[index] as Decoded;
          expect(got.head).toMatchObject({
            flags: frame.flags,
            code: frame.code,
            app: frame.app,
            streamId: frame.streamId,
          });
          const withTenant = (frame.flags & frameFlag.START) !== 0;
          expect(hex(got.head.tenant)).toBe(withTenant ? hex(frame.tenant as Uint8Array) : '00'.repeat(16));
          expect(got.payload).toBe(got.mode === 'drop' ? '' : hex(frame.payload as Uint8Array));
          expect(got.capability).toBe(got.mode === 'whole' ? hex(frame.capability as Uint8Array) : '');
          expect(got.lasts).toBe(got.mode === 'drop' ? 0 : 1);
        }
      }),
    );
  });

  it('parse the same when split at every offset, and byte by byte', () => {
    const frame = encodeFrame({
      flags: frameFlag.REQ | frameFlag.START,
      app: 0x0301,
      streamId: 2 ** 40 + 5,
      capability: new Uint8Array(9).fill(7),
      payload: new Uint8Array(90).fill(3),
    });
    const wire = concat([frame, frame]);
    const whole = decode([wire], () => 'whole').frames;
    for (let at = 0; at <= wire.length; at++) {
      expect(decode([wire.slice(0, at), wire.slice(at)], () => 'whole').frames).toEqual(whole);
    }
    expect(
      decode(
        [...wire].map((byte) => new Uint8Array([byte])),
        () => 'whole',
      ).frames,
    ).toEqual(whole);
  });

  it('arrive by the thousand in one segment', () => {
    const frame = encodeFrame({ flags: 1, streamId: 3, payload: new Uint8Array([0, 0, 9]) });
    expect(decode([concat(Array(1000).fill(frame))], () => 'parts').frames.length).toBe(1000);
  });

  it('give the same verdict on arbitrary bytes, however they are split', () => {
    fc.assert(
      fc.property(bytes(200), cuts, (noise, at) => {
        const whole = decode([noise], modeByCode);
        const pieces = decode(cut(noise, at), modeByCode);
        expect(pieces.frames).toEqual(whole.frames);
        expect(pieces.refused).toBe(whole.refused);
      }),
    );
  });
});

function head(len: number, edit: (bytes: Uint8Array) => void = () => undefined): Uint8Array {
  const frame = new Uint8Array(37);
  new DataView(frame.buffer).setUint32(0, len, true);
  frame[4] = 1;
  edit(frame);
  return frame;
}

const started = (capabilityBytes: number) => (bytes: Uint8Array) => {
  bytes[5] = frameFlag.START;
  bytes[27] = capabilityBytes;
};

describe('the decoder refuses', () => {
  it.each([
    [0, 'len_too_small'],
    [32, 'len_too_small'],
    [33, undefined],
    [34, undefined],
    [limits.maxFrameBytes - 1, undefined],
    [limits.maxFrameBytes, undefined],
    [limits.maxFrameBytes + 1, 'len_too_large'],
    [0xffffffff, 'len_too_large'],
  ])('len %i: %s, before anything is allocated', (len, reason) => {
    const result = decode([head(len)], () => 'whole');
    expect(result.refused).toBe(reason);
    expect(result.heldMax).toBeLessThan(64);
    // The length alone is enough to refuse.
    expect(decode([head(len).slice(0, 4)], () => 'whole').refused).toBe(reason);
    expect(decode([head(len).slice(0, 3)], () => 'whole').refused).toBeUndefined();
  });

  it.each([
    [head(33, (b) => b.fill(0, 4, 5)), 'unknown_version'],
    [head(33, (b) => b.fill(2, 4, 5)), 'unknown_version'],
    [head(40, (b) => b.set([frameFlag.START], 5)), undefined],
    [head(40, (b) => b.set([8, 0], 27)), 'capability_past_frame'],
    [head(40, (b) => b.set([7, 0], 27)), 'capability_without_start'],
    [head(40, started(6)), undefined],
    [head(40, started(7)), undefined],
    [head(40, started(8)), 'capability_past_frame'],
    [head(33, (b) => b.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0], 29)), undefined],
    [head(33, (b) => b.set([0, 0, 0, 0, 0, 0, 0x20, 0], 29)), 'stream_id_too_large'],
    [head(33, (b) => b.set([0, 0, 0, 0, 0, 0, 0, 0x80], 29)), 'stream_id_too_large'],
  ])('case %#', (frame, reason) => {
    const result = decode([frame], () => 'whole');
    expect(result.refused).toBe(reason);
    expect(result.frames.length).toBe(reason === undefined ? 1 : 0);
  });

  it('nothing after a refusal or a stop', () => {
    const good = encodeFrame({ flags: 1 });
    const result = decode([concat([head(32), good]), good], () => 'whole');
    expect(result.frames).toEqual([]);
    const stopped = decode([good.slice(0, 20)], () => 'whole');
    stopped.decoder.stop();
    stopped.decoder.push(good);
    expect(stopped.frames).toEqual([]);
    expect(stopped.decoder.heldBytes).toBe(0);
  });

  it('to hold more than has arrived of a frame that is only announced', () => {
    const pieces = [head(limits.maxFrameBytes), ...Array.from({ length: 100 }, () => new Uint8Array(100))];
    const result = decode(pieces, () => 'whole');
    expect(result.insideFrame).toBe(true);
    expect(result.heldMax).toBeLessThanOrEqual(2 * 10_100);
    expect(decode(pieces, () => 'parts').heldMax).toBe(0);
    expect(decode(pieces, () => 'drop').heldMax).toBe(0);
  });

  it('to hold more than one largest frame', () => {
    const payload = new Uint8Array(limits.maxFrameBytes - 33).map((_, at) => at * 31);
    const frame = encodeFrame({ flags: frameFlag.START, payload });
    const result = decode(cut(frame, [5, 100, 70_000, 300_000, 700_001]), () => 'whole');
    expect(result.heldMax).toBeLessThanOrEqual(limits.maxFrameBytes);
    expect(result.frames[0]?.payload).toBe(hex(payload));
  });
});

describe('encodeFrame refuses', () => {
  it.each([
    [{ flags: 0, streamId: -1 }],
    [{ flags: 0, streamId: 2 ** 53 }],
    [{ flags: 0, streamId: 1.5 }],
    [{ flags: 0, tenant: new Uint8Array(15) }],
    [{ flags: 0, capability: new Uint8Array(65_536) }],
  ])('%j', (frame) => {
    expect(() => encodeFrame(frame)).toThrow(RangeError);
  });
});
