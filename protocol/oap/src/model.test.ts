import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame } from './frame-encoder.ts';
import { helloProbe } from './hello.ts';
import { encodePayload } from './payload.ts';
import { concat, Loopback, Side } from './testing/loopback.ts';
import { frameFlag } from './wire.ts';

const { REQ, RESP, EVENT, START, END } = frameFlag;
const app = 0x0301;
const header = { op: 'put', corr_id: 'corr-0001' };

/** The stream rules of the specification as an acceptor sees them, for small bodies, as plainly as they can be said. */
class Model {
  closed = false;
  readonly told: string[] = [];
  private highest = 0;
  private readonly open = new Map<number, 'sending' | 'ended'>();

  receive(flags: number, id: number, bytes: number): void {
    if (this.closed) return;
    const kind = flags & (REQ | RESP | EVENT);
    if (kind !== REQ || id === 0) this.closed = true;
    else if ((flags & START) !== 0) this.start(id, (flags & END) !== 0);
    else if (id > this.highest) this.closed = true;
    else this.data(id, (flags & END) !== 0, bytes);
  }

  private start(id: number, ends: boolean): void {
    if (id <= this.highest) {
      this.closed = true;
      return;
    }
    this.highest = id;
    if (this.open.size >= 4) return;
    this.open.set(id, ends ? 'ended' : 'sending');
    this.told.push(`open ${id} ${ends}`);
  }

  private data(id: number, ends: boolean, bytes: number): void {
    const state = this.open.get(id);
    if (state === 'ended') this.closed = true;
    if (state !== 'sending') return;
    if (bytes > 0) addData(this.told, id, bytes);
    if (!ends) return;
    this.open.set(id, 'ended');
    this.told.push(`end ${id}`);
  }

  cancelled(id: number): void {
    if (this.closed) return;
    if (id === 0 || id > this.highest) this.closed = true;
    else if (this.open.delete(id)) this.told.push(`cancel ${id}`);
  }

  /** Our own side ends a stream. */
  finish(id: number): boolean {
    return !this.closed && this.open.delete(id);
  }

  get live(): number {
    return this.closed ? 0 : this.open.size;
  }
}

const id = fc.integer({ min: 0, max: 9 });
const flags = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(REQ | START, REQ | START | END) },
  { weight: 8, arbitrary: fc.constantFrom(REQ, REQ | END) },
  { weight: 1, arbitrary: fc.constantFrom(RESP, RESP | START, EVENT, REQ | RESP, 0) },
);
const commands = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({ do: fc.constant('frame' as const), flags, id, bytes: fc.integer({ min: 0, max: 9 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('fail' as const, 'answer' as const, 'drop' as const), id }) },
);

describe('an acceptor', () => {
  it('does what the model says, for any sequence of frames', () => {
    let closings = 0;
    let survivals = 0;
    fc.assert(
      fc.property(
        // Of the long ones nearly all come to something that closes the connection.
        fc.oneof(...[5, 40].map((maxLength) => fc.array(commands, { minLength: 1, maxLength }))),
        fc.integer({ min: 1, max: 60 }),
        (list, size) => {
          const model = new Model();
          const side = new Side({ role: 'acceptor', limits: { streamsPerConnectionMax: 4 } });
          const { connection } = side;
          connection.receive(helloProbe());
          for (const command of list) {
            if (command.do === 'frame') {
              const payload =
                (command.flags & START) !== 0
                  ? encodePayload(header)
                  : encodePayload(undefined, new Uint8Array(command.bytes));
              const bytes = encodeFrame({ flags: command.flags, app, streamId: command.id, payload });
              for (let at = 0; at < bytes.length; at += size) connection.receive(bytes.subarray(at, at + size));
              model.receive(command.flags, command.id, command.bytes);
            } else if (command.do === 'cancel') {
              connection.receive(encodeFrame({ flags: EVENT, code: 499, streamId: command.id }));
              model.cancelled(command.id);
            } else if (command.do === 'drop') {
              connection.cancel(command.id);
              model.finish(command.id);
            } else if (command.do === 'fail') {
              expect(connection.fail(command.id, new RonError('forbidden', 'no'), 'corr-0001')).toBe(
                model.finish(command.id),
              );
            } else expect(connection.answer(command.id, { end: true })).toBe(model.finish(command.id));
            expect(connection.state === 'closed').toBe(model.closed);
            expect(connection.liveStreams).toBe(model.live);
          }
          expect(summary(side)).toEqual(model.told);
          if (model.closed) closings++;
          else survivals++;
        },
      ),
      { numRuns: 500 },
    );
    // The generator must show both outcomes, or the property says nothing.
    expect(closings).toBeGreaterThan(20);
    expect(survivals).toBeGreaterThan(20);
  });
});

/** Adds body bytes to the last line when it is of the same stream: how a body is cut means nothing. */
function addData(lines: string[], id: number, bytes: number): void {
  const prefix = `data ${id} `;
  const last = lines.at(-1);
  if (last?.startsWith(prefix) === true) lines.pop();
  const before = last?.startsWith(prefix) === true ? Number(last.slice(prefix.length)) : 0;
  lines.push(`${prefix}${before + bytes}`);
}

/** What the handler was told, with the parts of one frame joined as the model has them. */
function summary(side: Side): string[] {
  const lines: string[] = [];
  for (const told of side.recorder.told) {
    if (told.type === 'open') lines.push(`open ${told.stream.streamId} ${told.stream.end}`);
    else if (told.type === 'end' || told.type === 'cancel') lines.push(`${told.type} ${told.id}`);
    else if (told.type === 'data') addData(lines, told.id, told.bytes.length);
  }
  return lines;
}

const moves = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('open' as const), end: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('send' as const, 'reply' as const),
      pick: fc.nat(),
      bytes: fc.integer({ min: 0, max: 700_000 }),
      end: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('answer' as const, 'fail' as const, 'cancel' as const, 'drop' as const),
      pick: fc.nat(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('pump' as const, 'readBoth' as const) }) },
);

describe('two connections', () => {
  it('never see a violation, whatever their drivers do, and agree in the end', () => {
    fc.assert(
      fc.property(
        fc.array(moves, { minLength: 5, maxLength: 60 }),
        fc.integer({ min: 1_000, max: 300_000 }),
        (list, size) => {
          const pair = new Loopback().start();
          const { opener, acceptor } = pair;
          const split = (bytes: Uint8Array) => pieces(bytes, size);
          const readBoth = () => {
            for (const side of [opener, acceptor]) {
              for (const { id: stream, bytes } of collect(side)) side.connection.consumed(stream, bytes);
            }
          };
          const seen = new Map<Side, number>([
            [opener, 0],
            [acceptor, 0],
          ]);
          const collect = (side: Side) => {
            const fresh = side.recorder.told.slice(seen.get(side));
            seen.set(side, side.recorder.told.length);
            return fresh.flatMap((told) => (told.type === 'data' ? [{ id: told.id, bytes: told.bytes.length }] : []));
          };
          let opened = 0;
          const block = new Uint8Array(700_000);
          for (const move of list) {
            const pick = 'pick' in move && opened > 0 ? 1 + (move.pick % opened) : 0;
            if (move.do === 'open' && opener.connection.canOpen)
              opened = opener.connection.open({ app, header, end: move.end });
            if (move.do === 'send') opener.connection.sendBody(pick, block.subarray(0, move.bytes), { end: move.end });
            if (move.do === 'answer' && !answered(acceptor, pick)) acceptor.connection.answer(pick, {});
            if (move.do === 'reply' && answered(acceptor, pick))
              acceptor.connection.sendBody(pick, block.subarray(0, move.bytes), { end: move.end });
            if (move.do === 'answer') markAnswered(acceptor, pick);
            if (move.do === 'fail') acceptor.connection.fail(pick, new RonError('conflict', 'no'), 'corr-0001');
            if (move.do === 'cancel') opener.connection.cancel(pick);
            if (move.do === 'drop') acceptor.connection.cancel(pick);
            if (move.do === 'pump') pair.pump(split);
            if (move.do === 'readBoth') readBoth();
          }
          pair.pump(split);
          readBoth();
          pair.pump(split);
          expect([opener.recorder.of('closed'), acceptor.recorder.of('closed')]).toEqual([[], []]);
          expect(opener.connection.liveStreams).toBe(acceptor.connection.liveStreams);
          expect(opener.connection.heldBytes + acceptor.connection.heldBytes).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });
});

const answeredStreams = new WeakMap<Side, Set<number>>();

/** Whether the acceptor's driver has begun an answer that the request had reached it for. */
function answered(side: Side, stream: number): boolean {
  return answeredStreams.get(side)?.has(stream) === true;
}

function markAnswered(side: Side, stream: number): void {
  const reached = side.recorder.of('open').some(({ stream: opened }) => opened.streamId === stream);
  if (!reached) return;
  const known = answeredStreams.get(side) ?? new Set<number>();
  known.add(stream);
  answeredStreams.set(side, known);
}

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(bytes.slice(at, at + size));
  expect(concat(out).length).toBe(bytes.length);
  return out;
}
