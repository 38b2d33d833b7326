import type { Clock, Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { DeficitRoundRobin } from './deficit-round-robin.ts';
import { Lane, type Waiting } from './lane.ts';
import { ServiceRate } from './service-rate.ts';

/** The quantum of the design, 64 KiB: a small read costs a part of it, a large transfer some hundred. */
export const quantum = 65_536;
/** The most that one call is charged before it runs; the rest is set against its lane as it moves. */
export const costMax = 64 * quantum;
const debtMax = 128 * quantum;
/** How often those that waited too long are looked for. */
const sweepMs = 25;
/** A lane may hold this many times the room that is left: see `mayServe`. */
const shareOfRoom = 4;
/** A wait that is predicted from measurements is told in whole steps of this. */
const retryStepMs = 50;
const retryMsMax = 30_000;

export interface QueueLimits {
  /** Milliseconds that a call may wait in line. Default 1,000. */
  readonly waitMsMax: number;
  /** Calls that wait, of all lanes. */
  readonly waitingMax: number;
  /** Calls that wait in one lane. */
  readonly lanePendingMax: number;
  /** Lanes that are remembered; past it, new ones share one. */
  readonly lanesMax: number;
}

/** Room for one call, as whoever serves it counts it. */
export interface QueuePorts<Room> {
  readonly clock: Clock;
  limits(): QueueLimits;
  /** How many calls may run at once at the moment. */
  capacity(): number;
  /** Takes room for one call; undefined when there is none. */
  take(): Room | undefined;
  giveBack(room: Room): void;
}

export interface QueueCall {
  /** Whose call it is. Callers with one key share what a lane gets. */
  readonly lane: string;
  /** Which line of the lane. */
  readonly line: string;
  readonly cost: number;
  /** Monotonic time after which nobody waits for it. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a call holds while it runs. */
export interface Turn<Room> {
  readonly room: Room;
  /** It turned out to cost more than it was charged; below 0, less. */
  correct(more: number): void;
  /** It is over: the next may begin. The room must have been given back. Idempotent. */
  end(): void;
}

interface Ticket<Room> extends Waiting {
  readonly call: QueueCall;
  readonly lateMs: number;
  readonly startMs: number;
  settle(outcome: Turn<Room> | RonError): void;
}

const otherLanes = ' ';

/**
 * The line before the backends. Nobody waits in it longer than `waitMsMax` or past its deadline: who is known to be
 * going to, by the bound of `costAheadMax` and the measured rate of service, is refused at once, and who does all the
 * same, because the rate fell, at that time. 429 `fair_share` tells a tenant that its own calls are what it would wait for,
 * 503 `queue` everyone else that there is too much.
 */
export class FairQueue<Room> {
  readonly #ports: QueuePorts<Room>;
  readonly #robin = new DeficitRoundRobin<Ticket<Room>>({ quantum, debtMax });
  /** In order of their last use; bounded by `lanesMax`. */
  readonly #lanes = new Map<string, Lane<Ticket<Room>>>();
  readonly #rate = new ServiceRate();
  #waiting = 0;
  #backlog = 0;
  #running = 0;
  #timer: Timer | undefined;

  constructor(ports: QueuePorts<Room>) {
    this.#ports = ports;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get lanes(): number {
    return this.#lanes.size;
  }

  /** Cost of all that waits. */
  get backlog(): number {
    return this.#backlog;
  }

  /** Rejects with `unavailable` or `quota_exhausted`; resolves with the turn, which must be ended. */
  enter(call: QueueCall): Turn<Room> | Promise<Turn<Room>> {
    const lane = this.#laneOf(call.lane);
    if (this.#waiting === 0 && this.#mayServe(lane, this.#ports.capacity())) {
      const room = this.#ports.take();
      if (room !== undefined) return this.#begin(lane, room);
    }
    const nowMs = this.#ports.clock.monotonicMs();
    const { waitMsMax } = this.#ports.limits();
    const lateMs = Math.min(nowMs + waitMsMax, call.deadlineMs);
    const cost = Math.max(1, Math.min(costMax, call.cost));
    this.#refuseHopeless(lane, cost, lateMs - nowMs, nowMs);
    this.#makeRoom(lane);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#leave(lane, ticket, left());
      const ticket: Ticket<Room> = {
        cost,
        gone: false,
        call,
        lateMs,
        startMs: nowMs,
        settle(outcome) {
          call.signal?.removeEventListener('abort', onAbort);
          if (outcome instanceof RonError) reject(outcome);
          else resolve(outcome);
        },
      };
      if (call.signal?.aborted) return reject(left());
      call.signal?.addEventListener('abort', onAbort, { once: true });
      this.#rate.busy(nowMs);
      this.#robin.push(lane, call.line, ticket);
      this.#waiting += 1;
      this.#backlog += cost;
      this.#arm();
      this.pump();
    });
  }

  /** There may be room: whose turn it is begins. To be called whenever room came back. */
  pump(): void {
    if (this.#waiting === 0) return;
    const { clock } = this.#ports;
    // The same until the end: what is taken here is within it, and whoever gets a turn begins later.
    const capacity = this.#ports.capacity();
    while (this.#waiting > 0) {
      const room = this.#ports.take();
      if (room === undefined) return;
      const next = this.#robin.next((lane) => this.#mayServe(lane, capacity));
      if (next === undefined) {
        this.#ports.giveBack(room);
        return;
      }
      const nowMs = clock.monotonicMs();
      this.#waiting -= 1;
      this.#backlog -= next.item.cost;
      this.#rate.served(next.item.cost, nowMs);
      if (this.#waiting === 0) this.#rate.idle(nowMs);
      next.item.settle(this.#begin(next.lane, room));
    }
  }

  /** Refuses all that wait. */
  flush(reason: RonError): void {
    for (const lane of [...this.#robin.lanes]) {
      for (let item = lane.peek(); item !== undefined; item = lane.peek()) this.#leave(lane, item, reason);
    }
  }

  /**
   * Dynamic thresholds (A. K. Choudhury, E. L. Hahne, IEEE/ACM ToN 6(2), 1998), for calls instead of buffers: a lane may hold
   * four times what is free, so one alone gets 4/5 of the room, two 4/9 each, and who comes new finds some at once.
   */
  #mayServe(lane: Lane<Ticket<Room>>, capacity: number): boolean {
    return lane.inflight < shareOfRoom * (capacity - this.#running);
  }

  #begin(lane: Lane<Ticket<Room>>, room: Room): Turn<Room> {
    lane.inflight += 1;
    this.#running += 1;
    let over = false;
    return {
      room,
      correct: (more) => this.#robin.correct(lane, more),
      end: () => {
        if (over) return;
        over = true;
        lane.inflight -= 1;
        this.#running -= 1;
        this.pump();
      },
    };
  }

  /** @throws RonError when the call would wait longer than it may. */
  #refuseHopeless(lane: Lane<Ticket<Room>>, cost: number, grantedMs: number, nowMs: number): void {
    if (grantedMs <= 0) throw new RonError('deadline_exceeded', 'the call did not finish in time');
    const rate = this.#rate.perSecond(nowMs);
    if (rate === undefined || this.#waiting === 0) return;
    // A rate of nothing is no rate: what waits then is refused in its time.
    const perMs = Math.max(rate, quantum) / 1_000;
    const servable = grantedMs * perMs;
    // All that waits is the most that can be ahead: mostly that is enough to know.
    if (this.#backlog <= servable || this.#robin.costAhead(lane, cost, servable) <= servable) return;
    const excessMs = (this.#aheadAbout(lane, cost) - servable) / perMs;
    throw this.#overuses(lane, cost) ? unfair(excessMs) : full(excessMs);
  }

  /** What is told to who is refused, from what is known without looking at every lane. */
  #aheadAbout(lane: Lane<Ticket<Room>>, cost: number): number {
    const visits = Math.max(1, Math.ceil((lane.backlog + cost - lane.deficit) / quantum));
    return Math.min(this.#backlog, lane.backlog + this.#robin.lanes.size * visits * quantum);
  }

  /** More of what waits is its own than its even share. */
  #overuses(lane: Lane<Ticket<Room>>, cost: number): boolean {
    const lanes = this.#robin.lanes.size + (lane.waiting === 0 ? 1 : 0);
    return lane.waiting > 0 && (lane.backlog + cost) * lanes > this.backlog + cost;
  }

  /** @throws RonError when there is no place for one more; the longest lane gives one up for a shorter one. */
  #makeRoom(lane: Lane<Ticket<Room>>): void {
    const { lanePendingMax, waitingMax } = this.#ports.limits();
    if (lane.waiting >= lanePendingMax) throw unfair(this.#drainMs(lane.backlog));
    if (this.#waiting < waitingMax) return;
    let longest = lane;
    for (const other of this.#robin.lanes) if (other.waiting > longest.waiting) longest = other;
    const victim = longest.last();
    if (longest === lane || longest.waiting <= lane.waiting + 1 || victim === undefined)
      throw lane.waiting * this.#robin.lanes.size > waitingMax ? unfair(this.#drainMs(lane.backlog)) : full(0);
    this.#leave(longest, victim, unfair(this.#drainMs(longest.backlog)));
  }

  /** Until the lane's share of the service has taken what waits there. */
  #drainMs(backlog: number): number {
    const rate = this.#rate.perSecond(this.#ports.clock.monotonicMs());
    return rate === undefined ? 0 : (backlog * this.#robin.lanes.size * 1_000) / Math.max(rate, quantum);
  }

  #leave(lane: Lane<Ticket<Room>>, ticket: Ticket<Room>, reason: RonError): void {
    if (ticket.gone) return;
    this.#robin.drop(lane, ticket);
    this.#waiting -= 1;
    this.#backlog -= ticket.cost;
    if (this.#waiting === 0) this.#rate.idle(this.#ports.clock.monotonicMs());
    ticket.settle(reason);
  }

  #arm(): void {
    this.#timer ??= this.#ports.clock.after(sweepMs, () => {
      this.#timer = undefined;
      this.#sweep();
      if (this.#waiting > 0) this.#arm();
    });
  }

  #sweep(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    this.#rate.measure(nowMs);
    for (const lane of [...this.#robin.lanes]) {
      for (const ticket of lane.items()) {
        if (ticket.lateMs <= nowMs) this.#leave(lane, ticket, this.#overuses(lane, 0) ? unfair(0) : full(0));
      }
    }
    this.pump();
  }

  #laneOf(key: string): Lane<Ticket<Room>> {
    const known = this.#lanes.get(key);
    if (known !== undefined) {
      this.#lanes.delete(key);
      this.#lanes.set(key, known);
      return known;
    }
    const { lanesMax } = this.#ports.limits();
    if (this.#lanes.size >= lanesMax && !this.#forgetOne()) return this.#lanes.get(otherLanes) ?? this.#add(otherLanes);
    return this.#add(key);
  }

  #add(key: string): Lane<Ticket<Room>> {
    const lane = new Lane<Ticket<Room>>();
    this.#lanes.set(key, lane);
    return lane;
  }

  /** A lane that owes nothing and in which nothing happens is the same as a new one. Looks at a few of the oldest. */
  #forgetOne(): boolean {
    let looked = 0;
    for (const [key, lane] of this.#lanes) {
      if (lane.waiting === 0 && lane.inflight === 0 && !this.#robin.owes(lane)) return this.#lanes.delete(key);
      looked += 1;
      if (looked >= 16) return false;
    }
    return false;
  }
}

/** An error costs a stack trace, and under overload thousands a second are refused: one for each wait is made once. */
function refusals(make: (retryAfterMs: number) => RonError): (ms: number) => RonError {
  const made = new Map<number, RonError>();
  return (ms) => {
    const retryAfterMs = Math.min(retryMsMax, Math.max(retryStepMs, Math.ceil(ms / retryStepMs) * retryStepMs));
    let refusal = made.get(retryAfterMs);
    if (refusal === undefined) {
      refusal = make(retryAfterMs);
      made.set(retryAfterMs, refusal);
    }
    return refusal;
  };
}

const full = refusals(
  (retryAfterMs) =>
    new RonError('unavailable', 'more is asked than can be served in time', {
      retryAfterMs,
      details: { gate: 'queue' },
    }),
);

const unfair = refusals(
  (retryAfterMs) =>
    new RonError('quota_exhausted', 'the tenant asks for more than its share of what can be served', {
      retryAfterMs,
      details: { quota: 'fair_share' },
    }),
);

function left(): RonError {
  return new RonError('request_timeout', 'the caller left');
}
