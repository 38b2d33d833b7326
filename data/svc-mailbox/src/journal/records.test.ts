import { recordBytes } from '@ron/journal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Content } from '../state/body.ts';
import { Box } from '../state/box.ts';
import type { KeptKey } from '../state/facts.ts';
import { type Failure, failuresMax, Message } from '../state/message.ts';
import { Tenant } from '../state/tenant.ts';
import { FieldWriter } from './codec.ts';
import { bytesMaxOf, carriedBytesMax, rewrittenBytesMax } from './costs.ts';
import { namesHeadBytes, RecordBuffer } from './record-buffer.ts';
import {
  carriedKeyBytes,
  changedBytesMax,
  decodeChanged,
  decodeGone,
  decodeKeys,
  decodeMessage,
  decodeMessageKey,
  decodeNames,
  encodeChanged,
  encodeGone,
  encodeKeys,
  encodeMessage,
  encodeNames,
  failureBytesMax,
  goneRecordBytes,
  messageRecordBytesMax,
  namesBytesMax,
} from './records.ts';

const unit: fc.Arbitrary<fc.StringConstraints['unit']> = fc.constantFrom('grapheme', 'binary');
const numRuns = 50;
const text = (maxLength: number) => unit.chain((of) => fc.string({ unit: of!, maxLength }));
/** At most so many UTF-16 units, as the limits count. */
const shortText = (maxLength: number) => text(maxLength).filter((one) => one.length <= maxLength);
const time = fc.maxSafeNat();
const count = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const letters = fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ');
const id = fc.array(letters, { minLength: 26, maxLength: 26 }).map((all) => all.join(''));
const hash = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => String.fromCharCode(...bytes));
const keptKey: fc.Arbitrary<KeptKey> = fc.record({ hash, digest: hash, untilMs: time });
const failure: fc.Arbitrary<Failure> = fc.record({
  attempt: count,
  wallMs: fc.double({ noNaN: true }),
  outcome: fc.constantFrom('expired', 'nack'),
  reason: fc.option(fc.oneof(shortText(20), fc.constant('\u20ac'.repeat(256)), fc.constant('\u{1f600}'.repeat(256))), {
    nil: undefined,
  }),
});
const headers = fc.dictionary(
  fc.stringMatching(/^[a-z0-9_.-]{1,64}$/).filter((name) => name !== '__proto__'),
  shortText(30),
  { maxKeys: 16, noNullPrototype: true },
);
const content: fc.Arbitrary<Content> = fc.record({
  body: fc.oneof(
    fc.record({ kind: fc.constant('text' as const), text: fc.oneof(text(300), fc.constant('\u0000'.repeat(9_000))) }),
    fc.record({ kind: fc.constant('bytes' as const), bytes: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({ kind: fc.constant('address' as const), address: fc.constant(`b3:${'0f'.repeat(32)}`) }),
  ),
  headers: fc.option(headers, { nil: undefined }),
});

function jsonBytesOf({ body, headers: given }: Content): number {
  const size = (value: string) => Buffer.byteLength(JSON.stringify(value));
  const sizes = Object.entries(given ?? {}).map(([name, value]) => name.length + 4 + size(value));
  const own =
    body.kind === 'bytes'
      ? Math.ceil(body.bytes.byteLength / 3) * 4 + 2
      : size(body.kind === 'text' ? body.text : body.address);
  return sizes.reduce((sum, bytes) => sum + bytes, own);
}

const message = fc
  .record({
    content,
    tenant: shortText(40),
    box: shortText(63),
    failures: fc.array(failure, { maxLength: failuresMax, size: 'max' }),
    origin: fc.record({
      id,
      sentWallMs: fc.double({ noNaN: true }),
      sentMs: time,
      sizeBytes: count,
      jsonBytes: count,
      group: fc.option(shortText(128), { nil: undefined }),
      priority: fc.nat({ max: 9 }),
      deadOnExpiry: fc.boolean(),
      attemptsMax: count,
      deadRetentionMs: time,
      retentionMs: time,
    }),
    standing: fc.record({
      state: fc.constantFrom('ready' as const, 'delayed' as const, 'leased' as const, 'dead' as const),
      order: time,
      dueMs: time,
      expiresMs: time,
      attempt: count,
      fence: count,
      nonce: count,
      cause: fc.constantFrom(undefined, 'attempts' as const, 'expired' as const, 'damaged' as const),
      deadWallMs: fc.double({ noNaN: true }),
    }),
  })
  .map(({ content: own, tenant, box, failures, origin, standing }) => {
    const address = own.body.kind === 'address' ? own.body.address : undefined;
    const whole = { ...origin, address, jsonBytes: jsonBytesOf(own) };
    const made = new Message(whole, new Box(new Tenant(tenant), box), own, standing.order, standing.expiresMs);
    return Object.assign(made, standing, { failures });
  });

function written(encode: (writer: FieldWriter) => void): Uint8Array {
  const writer = new FieldWriter();
  // Not at the start of the writer's memory.
  writer.text('before');
  writer.take();
  encode(writer);
  return writer.take();
}

const standingOf = ({ state, order, dueMs, expiresMs, attempt, fence, nonce, cause, deadWallMs }: Message) => ({
  ...{ state, order, dueMs, expiresMs, attempt, fence, nonce, cause, deadWallMs },
});

describe('a record', () => {
  it('of a message says all of it', () => {
    fc.assert(
      fc.property(message, time, fc.option(keptKey, { nil: undefined }), (one, nowMs, kept) => {
        const payload = written((writer) => encodeMessage(writer, nowMs, one, kept, one.content!));
        const { record, nowMs: at } = decodeMessage(payload);
        expect(at).toBe(nowMs);
        expect(record).toEqual({
          key: { tenant: one.box.tenant.name, box: one.box.name },
          origin: one.origin,
          standing: { ...standingOf(one), failures: one.failures },
          keptKey: kept,
          content: one.content,
        });
        expect(decodeMessageKey(payload)).toEqual({ id: one.id, keptKey: kept });
      }),
      { numRuns },
    );
  });

  it('of a change says how the message stands, and its latest failure where nothing else does', () => {
    fc.assert(
      fc.property(message, time, (one, nowMs) => {
        const payload = written((writer) => encodeChanged(writer, nowMs, one));
        const latest = one.failures.at(-1);
        const isTold = latest?.outcome === 'nack' && (one.state === 'leased' || latest.attempt !== one.attempt);
        expect(decodeChanged(payload)).toEqual({
          nowMs,
          record: { id: one.id, standing: { ...standingOf(one), failures: [] }, failure: isTold ? undefined : latest },
        });
      }),
      { numRuns },
    );
  });

  it('of what is gone, of keys, and of names says just that', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 5 }),
        fc.array(fc.tuple(keptKey, id)),
        time,
        (messages, keys, nowMs) => {
          const carried = keys.map(([kept, owner]) => ({ ...kept, id: owner }));
          expect(decodeKeys(written((writer) => encodeKeys(writer, nowMs, carried)))).toEqual({ nowMs, keys: carried });
          const named = messages.map(({ id: own, box, origin: { sentWallMs } }) => ({
            ...{ id: own, tenant: box.tenant.name, box: box.name, sentWallMs },
          }));
          expect(decodeNames(written((writer) => encodeNames(writer, nowMs, messages)))).toEqual({ nowMs, named });
          for (const { id: own } of messages) {
            expect(decodeGone(written((writer) => encodeGone(writer, nowMs, own)))).toEqual({ nowMs, id: own });
          }
        },
      ),
    );
  });

  it('of the largest body, as text of each width and as bytes', () => {
    const own = fc.sample(message, 1)[0]!;
    for (const body of [
      { kind: 'text', text: 'x'.repeat(262_144) },
      { kind: 'text', text: '\u20ac'.repeat(87_381) },
      { kind: 'text', text: '\u{1f9c5}'.repeat(65_536) },
      { kind: 'bytes', bytes: new Uint8Array(262_144).fill(255) },
    ] as const) {
      const whole = { body, headers: undefined };
      const payload = written((writer) => encodeMessage(writer, 1, own, undefined, whole));
      expect(decodeMessage(payload).record.content).toEqual(whole);
      expect(payload.byteLength).toBeLessThan(2 ** 20);
    }
  });

  it('cut short or with something behind it is refused', () => {
    fc.assert(
      fc.property(message, keptKey, fc.nat(), (one, kept, at) => {
        for (const [payload, decode] of [
          [written((writer) => encodeMessage(writer, 1, one, kept, one.content!)), decodeMessage],
          [written((writer) => encodeChanged(writer, 1, one)), decodeChanged],
          [written((writer) => encodeGone(writer, 1, one.id)), decodeGone],
        ] as const) {
          expect(() => decode(payload.subarray(0, at % payload.byteLength))).toThrow();
          expect(() => decode(Buffer.concat([payload, new Uint8Array(1)]))).toThrow(RangeError);
        }
        const keys = written((writer) => encodeKeys(writer, 1, [{ ...kept, id: one.id }]));
        const names = written((writer) => encodeNames(writer, 1, [one]));
        const within = (payload: Uint8Array) => payload.subarray(0, 9 + (at % (payload.byteLength - 9)));
        expect(() => decodeKeys(within(keys))).toThrow(RangeError);
        expect(() => decodeNames(within(names))).toThrow(RangeError);
      }),
      { numRuns },
    );
  });

  it('of any other bytes is refused or read, but never anything worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        for (const decode of [decodeMessage, decodeMessageKey, decodeChanged, decodeGone, decodeKeys, decodeNames]) {
          try {
            decode(bytes);
          } catch (error) {
            expect(error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError).toBe(
              true,
            );
          }
        }
      }),
      { numRuns },
    );
  });
});

describe('no record is larger than what was counted for it', () => {
  it('before it is written', () => {
    fc.assert(
      fc.property(message, keptKey, (one, kept) => {
        const { origin, box, failures } = one;
        const { tenant, name } = box;
        const texts = [tenant.name, name, origin.group ?? '', origin.address ?? ''];
        const size = written((writer) => encodeMessage(writer, 1, one, kept, one.content!)).byteLength;
        const bound = messageRecordBytesMax(texts, origin.jsonBytes);
        expect(size).toBeLessThanOrEqual(bound + failures.length * failureBytesMax);
        expect(recordBytes(size)).toBeLessThanOrEqual(rewrittenBytesMax(one));
        const fresh = Object.assign(Object.create(one) as Message, { failures: [] });
        const freshSize = written((writer) => encodeMessage(writer, 1, fresh, kept, one.content!)).byteLength;
        expect(recordBytes(size)).toBeLessThanOrEqual(carriedBytesMax(one, freshSize));
        expect(written((writer) => encodeNames(writer, 1, [one])).byteLength - 8).toBeLessThanOrEqual(
          namesBytesMax(tenant.name, name),
        );
        const changed = written((writer) => encodeChanged(writer, 1, one)).byteLength;
        const latest = failures.at(-1);
        const isBrief = latest?.reason === undefined || (one.state === 'leased' && latest.outcome === 'nack');
        expect(changed).toBeLessThanOrEqual(changedBytesMax + (isBrief ? 0 : failureBytesMax));
        expect(written((writer) => encodeGone(writer, 1, one.id)).byteLength).toBe(goneRecordBytes);
        const keys = [{ ...kept, id: one.id }];
        expect(written((writer) => encodeKeys(writer, 1, keys)).byteLength).toBe(8 + carriedKeyBytes);
      }),
      { numRuns },
    );
  });

  it('by a whole send', () => {
    fc.assert(
      fc.property(message, keptKey, (one, kept) => {
        const { origin, box } = one;
        const buffer = new RecordBuffer();
        buffer.sent(Object.assign(one, { failures: [] }), kept);
        let bytes = 0;
        for (const { payload } of buffer.take()) bytes += recordBytes(payload[0]!.byteLength);
        const { id: own, group, priority, deadOnExpiry, sentWallMs, sizeBytes, jsonBytes } = origin;
        const bound = bytesMaxOf({
          ...{ op: 'send', id: own, tenant: box.tenant.name, box: box.name, group, priority, deadOnExpiry, sentWallMs },
          ...{ sizeBytes, jsonBytes, content: one.content!, key: kept, delayMs: 0, ttlMs: undefined },
        });
        expect(bytes).toBeLessThanOrEqual(namesHeadBytes + bound);
      }),
      { numRuns },
    );
  });
});
