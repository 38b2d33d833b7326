import { createSimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import { describe, expect, test } from 'vitest';
import { FairQueue, type QueueLimits, quantum, type Turn } from './fair-queue.ts';

const defaults: QueueLimits = { waitMsMax: 1_000, waitingMax: 1_000, lanePendingMax: 200, lanesMax: 64 };

/** A backend with so many places, on virtual time. */
function start(places: number, limits: Partial<QueueLimits> = {}) {
  const { clock, scheduler } = createSimEnv({ seed: 1 });
  const state = { free: places, places, asked: 0 };
  const queue = new FairQueue<number>({
    clock,
    limits: () => ({ ...defaults, ...limits }),
    capacity: () => {
      state.asked += 1;
      return state.places;
    },
    take: () => (state.free > 0 ? state.free-- : undefined),
    giveBack: () => {
      state.free += 1;
    },
  });
  const enter = (lane: string, cost = 4_096, deadlineMs = Number.POSITIVE_INFINITY, signal?: AbortSignal) =>
    queue.enter({ lane, line: '', cost, deadlineMs, signal });
  const end = (turn: Turn<number>) => {
    state.free += 1;
    turn.end();
  };
  return { clock, scheduler, queue, state, enter, end };
}

type Started = ReturnType<typeof start>;

interface Seen {
  readonly latencies: number[];
  waitedMost: number;
  served: number;
  refused: Map<string, number>;
}

interface Offer {
  readonly lane: string;
  readonly atOnce: number;
  readonly everyMs: number;
  readonly serviceMs: number;
  readonly untilMs: number;
}

/** Calls of one tenant: `atOnce` every `everyMs`, each `serviceMs` at the backend. */
function offer(world: Started, { lane, atOnce, everyMs, serviceMs, untilMs }: Offer): Seen {
  const seen: Seen = { latencies: [], waitedMost: 0, served: 0, refused: new Map() };
  const { clock, enter, end } = world;
  const call = async (): Promise<void> => {
    const startMs = clock.monotonicMs();
    try {
      const turn = await enter(lane, 16_384);
      seen.waitedMost = Math.max(seen.waitedMost, clock.monotonicMs() - startMs);
      await new Promise<void>((resolve) => void clock.after(serviceMs, resolve));
      end(turn);
      if (clock.monotonicMs() > untilMs) return;
      seen.served += 1;
      seen.latencies.push(clock.monotonicMs() - startMs);
    } catch (error) {
      const { code, details } = error as RonError;
      const why = `${code} ${String(details?.['gate'] ?? details?.['quota'])}`;
      seen.refused.set(why, (seen.refused.get(why) ?? 0) + 1);
    }
  };
  const tick = (atMs: number): void => {
    if (atMs > untilMs) return;
    void clock.after(Math.max(0, atMs - clock.monotonicMs()), () => {
      for (let calls = 0; calls < atOnce; calls += 1) void call();
      tick(atMs + everyMs);
    });
  };
  tick(0);
  return seen;
}

const p99 = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)]!;

// 8 places of 40 ms: 200 calls a second, of which a fifth is the fair share of each of five tenants.
const places = 8;
const serviceMs = 40;
const untilMs = 10_000;
const fairShare = (places * untilMs) / serviceMs / 5;

/** Four tenants with a call every `everyMs`, and beside them one with a hundred times as many. */
async function neighbours(everyMs: number, loud: boolean) {
  const world = start(places);
  const each = { atOnce: 1, everyMs, serviceMs, untilMs };
  const others = ['a', 'b', 'c', 'd'].map((lane) => offer(world, { ...each, lane }));
  const noisy = loud ? offer(world, { ...each, lane: 'noisy', atOnce: 100 }) : undefined;
  await world.scheduler.runFor(untilMs + 3_000);
  expect(world.queue.waiting).toBe(0);
  return { others, noisy };
}

describe('one tenant at 100 times the load of the others', () => {
  test('leaves each of the others its fair share over 10 s, within a tenth, and nobody in line past the stated wait', async () => {
    const { others, noisy } = await neighbours(16, true);
    for (const { served, waitedMost } of [...others, noisy!]) {
      expect(Math.abs(served / fairShare - 1)).toBeLessThan(0.1);
      expect(waitedMost).toBeLessThanOrEqual(defaults.waitMsMax + 25);
    }
    expect([...noisy!.refused.keys()]).toContain('quota_exhausted fair_share');
  });

  test('leaves the p99 of those under their share within twice of what it is alone, and refuses them nothing', async () => {
    const [alone, beside] = [await neighbours(80, false), await neighbours(80, true)];
    for (const [index, { latencies, refused }] of beside.others.entries()) {
      expect(p99(latencies)).toBeLessThanOrEqual(2 * p99(alone.others[index]!.latencies));
      expect([...refused]).toEqual([]);
    }
  });
});

describe('the line', () => {
  const codeOf = (error: unknown) =>
    error instanceof RonError ? `${error.code} ${error.details?.['gate'] ?? error.details?.['quota']}` : error;
  const outcome = (entered: unknown) => Promise.resolve(entered).then(() => 'turn', codeOf);
  const tried = (enter: () => unknown) => {
    try {
      return outcome(enter());
    } catch (error) {
      return Promise.resolve(codeOf(error));
    }
  };

  test('is not entered while there is room', () => {
    const { enter, queue } = start(2);
    expect(enter('a')).not.toBeInstanceOf(Promise);
    expect(queue.waiting).toBe(0);
  });

  test('one tenant alone leaves a fifth of the room to who comes', () => {
    const { enter, state, queue } = start(20);
    for (let calls = 0; calls < 30; calls += 1) void outcome(enter('a'));
    expect(state.free).toBe(4);
    expect(queue.waiting).toBe(14);
    expect(enter('b')).toBeInstanceOf(Promise);
    expect(state.free).toBe(3);
  });

  test('ends at the stated wait, with what the caller can do', async () => {
    const { enter, scheduler } = start(1);
    enter('a');
    const waits = outcome(enter('b'));
    await scheduler.runFor(999);
    expect(await Promise.race([waits, 'waits'])).toBe('waits');
    await scheduler.runFor(26);
    expect(await waits).toBe('unavailable queue');
  });

  test('ends at the deadline of the call, when that comes first', async () => {
    const { enter, scheduler, clock } = start(1);
    enter('a');
    const waits = outcome(enter('b', 1, clock.monotonicMs() + 100));
    await scheduler.runFor(126);
    expect(await waits).toBe('unavailable queue');
    expect(await tried(() => enter('b', 1, clock.monotonicMs()))).toBe('deadline_exceeded undefined');
  });

  test('ends with the caller', async () => {
    const { enter, queue } = start(1);
    enter('a');
    const caller = new AbortController();
    const waits = outcome(enter('b', 1, Number.POSITIVE_INFINITY, caller.signal));
    expect(queue.waiting).toBe(1);
    caller.abort();
    expect(await waits).toBe('request_timeout undefined');
    expect(queue.waiting).toBe(0);
  });

  test.each([
    [-1, 'waits'],
    [0, 'waits'],
    [1, 'quota_exhausted fair_share'],
  ])('a lane takes its limit of calls %i', async (more, expected) => {
    const { enter, scheduler } = start(1, { lanePendingMax: 5 });
    enter('x');
    let last: Promise<unknown> = Promise.resolve();
    for (let calls = 0; calls < 5 + more; calls += 1) last = tried(() => enter('a'));
    await scheduler.runFor(0);
    expect(await Promise.race([last, 'waits'])).toBe(expected);
  });

  test('when it is full the longest lane gives up its last for a shorter one', async () => {
    const { enter, queue } = start(1, { waitingMax: 4 });
    enter('x');
    const long = [1, 2, 3, 4].map(() => tried(() => enter('a')));
    void outcome(enter('b'));
    expect(await long[3]).toBe('quota_exhausted fair_share');
    expect(queue.waiting).toBe(4);
    expect(await tried(() => enter('a'))).toBe('quota_exhausted fair_share');
  });

  test('who would wait past the bound is refused at once', async () => {
    const { enter, end, clock, scheduler, queue } = start(1);
    // One call of a quantum every 100 ms.
    const serve = async (entered: ReturnType<typeof enter>) => {
      const turn = await entered;
      await new Promise<void>((resolve) => void clock.after(100, resolve));
      end(turn);
    };
    for (let calls = 0; calls < 9; calls += 1) void serve(enter('a', quantum)).catch(codeOf);
    await scheduler.runFor(450);
    const outcomes: Promise<unknown>[] = [];
    for (let calls = 0; calls < 20; calls += 1) outcomes.push(tried(() => enter('a', quantum)));
    const waiting = queue.waiting;
    expect(waiting).toBeGreaterThanOrEqual(8);
    expect(waiting).toBeLessThanOrEqual(12);
    expect(await outcomes.at(-1)).toBe('unavailable queue');
    // Another tenant has its own turn: nothing of what waits is its own.
    void serve(enter('b', quantum)).catch(codeOf);
    expect(queue.waiting).toBe(waiting + 1);
    expect(await tried(() => enter('a', quantum))).toBe('quota_exhausted fair_share');
  });

  test('remembers a bounded number of lanes', async () => {
    const { enter, end, queue } = start(1_000, { lanesMax: 3 });
    for (const lane of ['a', 'b', 'c', 'd', 'e']) end(await enter(lane));
    expect(queue.lanes).toBe(3);
    for (const lane of ['a', 'b', 'c', 'd', 'e', 'f']) enter(lane);
    expect(queue.lanes).toBeLessThanOrEqual(4);
  });

  test('a lane in debt is not forgotten while the debt counts', async () => {
    const { enter, end } = start(1, { lanesMax: 3 });
    const first = await enter('x');
    const [dear, held] = [enter('debtor'), enter('w', quantum)];
    const order: string[] = [];
    const asks = (lane: string) =>
      Promise.resolve(enter(lane, quantum)).then((turn) => {
        order.push(lane);
        end(turn);
      });
    const calls = [asks('w')];
    end(first);
    const served = await dear;
    served.correct(100 * quantum);
    end(served);
    const turn = await held;
    // One new lane takes the place of `x`; for the next there is none.
    for (const lane of ['n', 'm', 'debtor', 'n']) calls.push(asks(lane));
    end(turn);
    await Promise.all(calls);
    expect(order).toEqual(['n', 'm', 'w', 'n', 'debtor']);
  });

  test('how much room there is is counted once for a place that comes back, however many lanes wait', async () => {
    const { enter, end, state } = start(1);
    const first = await enter('x');
    for (let lane = 0; lane < 40; lane += 1) void outcome(enter(`t${lane}`, 40 * quantum));
    state.asked = 0;
    end(first);
    expect(state.asked).toBe(1);
  });

  test('its cost is what waits, whoever comes, leaves and is served', async () => {
    const { enter, end, queue, scheduler } = start(1);
    const first = await enter('a', 10);
    const caller = new AbortController();
    const served = enter('a', 100);
    void outcome(enter('b', 1_000, Number.POSITIVE_INFINITY, caller.signal));
    void outcome(enter('c', 10_000));
    expect(queue.backlog).toBe(11_100);
    caller.abort();
    expect(queue.backlog).toBe(10_100);
    end(first);
    await served;
    expect(queue.backlog).toBe(10_000);
    await scheduler.runFor(1_100);
    expect(queue.backlog).toBe(0);
  });

  test('is emptied with a reason', async () => {
    const { enter, queue } = start(1);
    enter('a');
    const waits = outcome(enter('b'));
    queue.flush(new RonError('unavailable', 'gone', { details: { gate: 'backends' } }));
    expect(await waits).toBe('unavailable backends');
    expect(queue.waiting).toBe(0);
  });
});
