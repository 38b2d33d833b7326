import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Ceilings, type Place } from './ceilings.ts';
import { Context } from './context.ts';
import { principal } from './testing/echo-service.ts';

const maxima = { inflightMax: 8, waitingMax: 3, heldMax: 4 };
const work = { mutation: false, waits: false };
const write = { mutation: true, waits: false };
const wait = { mutation: false, waits: true };

function contextOf(): Context {
  return new Context({
    corrId: 'corr-id-1',
    traceparent: undefined,
    tenant: '',
    principal: principal(() => true),
    deadlineMs: Number.POSITIVE_INFINITY,
    idempotencyKey: undefined,
    parent: undefined,
  });
}

function gateOf(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return (error as RonError).details?.['gate'];
  }
  return undefined;
}

describe('one that waits for its client', () => {
  test.each([-1, 0, 1])('leaves its place to others while heldMax %i wait', (delta) => {
    const ceilings = new Ceilings(maxima);
    const held = maxima.heldMax + delta;
    for (let count = 0; count < held; count += 1) ceilings.enter(contextOf(), work).hold();
    const past = Math.max(0, delta);
    expect([ceilings.held, ceilings.working]).toEqual([held - past, past]);
    for (let count = past; count < maxima.inflightMax; count += 1) {
      ceilings.check(work);
      ceilings.enter(contextOf(), work);
    }
    expect(gateOf(() => ceilings.check(work))).toBe('inflight');
  });

  test('comes back although others took its place, and is then one too many', () => {
    const ceilings = new Ceilings(maxima);
    const place = ceilings.enter(contextOf(), work);
    place.hold();
    for (let count = 0; count < maxima.inflightMax; count += 1) ceilings.enter(contextOf(), work);
    place.resume();
    expect([ceilings.held, ceilings.working]).toEqual([0, maxima.inflightMax + 1]);
    expect(gateOf(() => ceilings.check(work))).toBe('inflight');
  });

  test('for both of its bodies, waits until neither is waited for', () => {
    const ceilings = new Ceilings(maxima);
    const place = ceilings.enter(contextOf(), work);
    place.hold();
    place.hold();
    place.resume();
    expect([ceilings.held, ceilings.working]).toEqual([1, 0]);
    place.resume();
    expect([ceilings.held, ceilings.working]).toEqual([0, 1]);
  });

  test('is not told to end by a drain, and the drain waits for it; an abort reaches it', async () => {
    const ceilings = new Ceilings(maxima);
    const contexts = [contextOf(), contextOf()] as const;
    const held = ceilings.enter(contexts[0], work);
    held.hold();
    const waiting = ceilings.enter(contexts[1], wait);
    let over = false;
    const drained = ceilings.drain().then(() => {
      over = true;
    });
    expect(contexts.map(({ signal }) => signal.aborted)).toEqual([false, true]);
    ceilings.leave(waiting);
    await Promise.resolve();
    expect(over).toBe(false);
    ceilings.abort(new RonError('unavailable', 'over'));
    expect(contexts[0].signal.aborted).toBe(true);
    ceilings.leave(held);
    await drained;
  });
});

test('whatever happens, the counts are those of a list of all calls', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('enter', 'hold', 'resume', 'leave'), fc.nat(40), fc.nat(2)), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(steps, (all) => {
      const ceilings = new Ceilings(maxima);
      const calls: { place: Place; waits: boolean; holds: number; isHeld: boolean; works: number }[] = [];
      const heldNow = () => calls.filter(({ isHeld }) => isHeld).length;
      for (const [what, at, shapeAt] of all) {
        const call = calls[at % Math.max(1, calls.length)];
        if (what === 'enter') {
          const shape = [work, write, wait][shapeAt]!;
          const refused = gateOf(() => ceilings.check(shape));
          const working = calls.filter(({ waits, isHeld }) => !waits && !isHeld).length;
          const room = shape.waits ? maxima.waitingMax : shape.mutation ? 7 : maxima.inflightMax;
          const there = shape.waits ? calls.filter(({ waits }) => waits).length : working;
          expect(refused).toBe(there < room ? undefined : shape.waits ? 'waiting' : 'inflight');
          if (refused !== undefined) continue;
          const entered = {
            place: undefined as unknown as Place,
            waits: shape.waits,
            holds: 0,
            isHeld: false,
            works: 0,
          };
          entered.place = ceilings.enter(contextOf(), shape, (change) => {
            entered.works += change;
          });
          calls.push(entered);
        } else if (call === undefined) continue;
        else if (what === 'hold') {
          if (!call.waits && !call.isHeld && heldNow() < maxima.heldMax) call.isHeld = true;
          call.holds += 1;
          call.place.hold();
        } else if (what === 'resume' && call.holds > 0) {
          call.holds -= 1;
          if (call.holds === 0) call.isHeld = false;
          call.place.resume();
        } else if (what === 'leave') {
          calls.splice(calls.indexOf(call), 1);
          expect(ceilings.leave(call.place)).toBe(true);
          expect(ceilings.leave(call.place)).toBe(false);
          call.place.hold();
          call.place.resume();
          expect(call.works).toBe(0);
        }
        expect(ceilings.size).toBe(calls.length);
        expect(ceilings.held).toBe(heldNow());
        expect(ceilings.held).toBeLessThanOrEqual(maxima.heldMax);
        expect(ceilings.working).toBe(calls.filter(({ waits, isHeld }) => !waits && !isHeld).length);
        expect(ceilings.working).toBeLessThanOrEqual(maxima.inflightMax + maxima.heldMax);
        for (const { works, waits, isHeld } of calls) expect(works).toBe(waits || isHeld ? 0 : 1);
      }
    }),
  );
});
