import { performance } from 'node:perf_hooks';
import type { Connection, Ending, Reply } from './connection.ts';
import { ConnectionPool } from './connection-pool.ts';
import { Histogram } from './histogram.ts';
import { acknowledgement, createRequests, type Prepared } from './lane-requests.ts';
import type { GeneratorHealth, Lane, LoadPlan, LoadResult } from './plan.ts';
import { createRandom } from './random.ts';
import { type Arrival, lengthMsOf, Schedule } from './schedule.ts';
import { count, PhaseTally, Timeline } from './tally.ts';

interface Line {
  readonly lane: Lane;
  readonly schedule: Schedule;
  readonly draw: () => Prepared;
  readonly tallies: readonly PhaseTally[];
  readonly timeline: Timeline;
  readonly pool: ConnectionPool;
  /** Due, and without a connection so far: first come, first served. */
  waiting: Due[];
  waitingFrom: number;
  next: Arrival | undefined;
}

interface Due {
  readonly line: Line;
  readonly arrival: Arrival;
  readonly prepared: Prepared;
  /** Sent once already, on a connection that turned out closed. */
  readonly again?: true;
}

/** The least that a timer of Node resolves; latencies hold up to this much of the generator's own. */
const tickMs = 1;
const sweepMs = 50;

/**
 * Sends what is due when it is due, whether or not earlier answers have come, and counts latency from the time at
 * which a request was due: a server that stalls is seen by all that should have been sent meanwhile. See Gil Tene,
 * "How NOT to Measure Latency": a client that waits for an answer before the next request omits them.
 */
export class OpenLoop {
  readonly #plan: LoadPlan;
  readonly #lines: readonly Line[];
  readonly #lag = new Histogram();
  readonly #host: string;
  #startMs = 0;
  #open = 0;
  #seconds = 0;
  #saturatedSeconds = 0;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#host = `${plan.host}:${plan.port}`;
    // Lanes share no connections: one whose requests wait must not take those of another, as tenants cannot either.
    const connectionsMax = Math.max(1, Math.floor(plan.connectionsMax / plan.lanes.length));
    const addresses = Math.ceil(connectionsMax / plan.connectionsPerAddressMax);
    this.#lines = plan.lanes.map((lane, index) => {
      const random = createRandom(plan.seed + index * 7_919);
      const schedule = new Schedule(lane.arrivals, lane.phases, random);
      const addressFrom = plan.addressFrom + index * addresses;
      const line: Line = {
        lane,
        schedule,
        draw: createRequests(lane, this.#host, random),
        tallies: lane.phases.map(() => new PhaseTally()),
        timeline: new Timeline(plan.bucketMs, lengthMsOf(lane.phases)),
        pool: new ConnectionPool({ ...plan, connectionsMax, addressFrom }, () => this.#serveWaiting(line)),
        waiting: [],
        waitingFrom: 0,
        next: schedule.next(),
      };
      return line;
    });
  }

  async run(): Promise<LoadResult> {
    const startedAtMs = Date.now();
    this.#startMs = performance.now();
    const cpu = process.cpuUsage();
    const loop = performance.eventLoopUtilization();
    await this.#send(loop);
    const busy = performance.eventLoopUtilization(loop).utilization;
    await this.#drain();
    const { user, system } = process.cpuUsage(cpu);
    for (const { pool } of this.#lines) pool.close();
    const generator: GeneratorHealth = {
      lag: this.#lag.pack(),
      busy,
      saturated: this.#seconds === 0 ? 0 : this.#saturatedSeconds / this.#seconds,
      cpuSeconds: (user + system) / 1e6,
      connectionsPeak: this.#lines.reduce((sum, { pool }) => sum + pool.peak, 0),
    };
    const phases = this.#lines.flatMap(({ lane, tallies }) =>
      tallies.map((tally, index) => tally.result(lane.name, lane.phases[index]!.name, lane.phases[index]!.seconds)),
    );
    const timelines = Object.fromEntries(this.#lines.map(({ lane, timeline }) => [lane.name, timeline.points()]));
    return { phases, timelines, generator, startedAtMs };
  }

  #nowMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Until every schedule is over. */
  #send(loop: ReturnType<typeof performance.eventLoopUtilization>): Promise<void> {
    let before = loop;
    let secondAt = 1_000;
    let sweepAt = sweepMs;
    return new Promise((resolve) => {
      const tick = () => {
        const now = this.#nowMs();
        let over = true;
        for (const line of this.#lines) {
          while (line.next !== undefined && line.next.atMs <= now) {
            this.#lag.recordMs(now - line.next.atMs);
            this.#dispatch({ line, arrival: line.next, prepared: line.draw() });
            line.next = line.schedule.next();
          }
          if (line.next !== undefined) over = false;
        }
        if (now >= sweepAt) {
          sweepAt = now + sweepMs;
          this.#sweep(now);
        }
        if (now >= secondAt) {
          secondAt += 1_000;
          const current = performance.eventLoopUtilization();
          this.#seconds += 1;
          if (performance.eventLoopUtilization(current, before).utilization > 0.95) this.#saturatedSeconds += 1;
          before = current;
        }
        if (over) resolve();
        else setTimeout(tick, tickMs);
      };
      tick();
    });
  }

  /** Answers under way may still come, until they are given up. */
  #drain(): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        this.#sweep(this.#nowMs());
        if (this.#open === 0) resolve();
        else setTimeout(look, 10);
      };
      look();
    });
  }

  #dispatch(due: Due): void {
    const { line, arrival } = due;
    line.tallies[arrival.phase]!.offered += 1;
    line.timeline.at(arrival.atMs).offered += 1;
    this.#open += 1;
    this.#begin(due, line.pool.take());
  }

  #begin(due: Due, connection: Connection | undefined): void {
    if (connection === undefined) due.line.waiting.push(due);
    else this.#exchange(due, connection);
  }

  #serveWaiting(line: Line): void {
    while (line.waitingFrom < line.waiting.length) {
      const connection = line.pool.take();
      if (connection === undefined) break;
      this.#exchange(line.waiting[line.waitingFrom++]!, connection);
    }
    if (line.waitingFrom === line.waiting.length) {
      line.waiting.length = 0;
      line.waitingFrom = 0;
    }
  }

  #sweep(now: number): void {
    const { waitMs, giveUpMs } = this.#plan;
    for (const line of this.#lines) {
      while (line.waitingFrom < line.waiting.length) {
        const due = line.waiting[line.waitingFrom]!;
        if (due.arrival.atMs + waitMs > now) break;
        line.waitingFrom += 1;
        this.#fail(due, 'no free connection');
      }
      if (line.waitingFrom > 10_000) {
        line.waiting.splice(0, line.waitingFrom);
        line.waitingFrom = 0;
      }
      line.pool.giveUp(now - giveUpMs, 'no answer');
    }
  }

  #exchange(due: Due, connection: Connection): void {
    const { prepared, arrival, line } = due;
    connection.dueMs = arrival.atMs;
    const wasUsed = connection.answers > 0;
    connection.send(prepared.bytes, prepared.box !== undefined, (ending: Ending) => {
      if ('reply' in ending) {
        this.#answered(due, ending.reply);
        if (prepared.box !== undefined && ending.reply.status === 200) {
          this.#acknowledge(due, connection, ending.reply.body);
        }
        return;
      }
      if (!wasUsed || ending.heard || !prepared.isRead || due.again) return this.#fail(due, ending.failure);
      line.tallies[arrival.phase]!.repeated += 1;
      this.#begin({ ...due, again: true }, line.pool.fresh());
    });
  }

  /** Due at once: it is the one request that depends on an answer. */
  #acknowledge({ line, arrival, prepared }: Due, connection: Connection, body: string): void {
    const next = acknowledgement(line.lane, this.#host, prepared.box!, body);
    if (next === undefined || connection.closing) return;
    const due = { line, arrival: { atMs: this.#nowMs(), phase: arrival.phase }, prepared: next };
    line.tallies[arrival.phase]!.offered += 1;
    line.timeline.at(due.arrival.atMs).offered += 1;
    this.#open += 1;
    this.#exchange(due, connection);
  }

  #answered({ line, arrival, prepared }: Due, reply: Reply): void {
    const now = this.#nowMs();
    const tally = line.tallies[arrival.phase]!;
    const latencyMs = now - arrival.atMs;
    this.#open -= 1;
    if (reply.status >= 300) {
      const reason = reasonOf(reply);
      count(tally.refused, reason);
      count(line.timeline.at(now).refused, reason);
      tally.refusal.recordMs(latencyMs);
      return;
    }
    if (prepared.expectedBytes !== undefined && prepared.expectedBytes !== reply.bodyBytes) {
      count(tally.failed, 'a body of another length');
      line.timeline.at(now).failed += 1;
      return;
    }
    const isGood = latencyMs <= this.#plan.deadlineMs;
    if (isGood) tally.good += 1;
    else tally.late += 1;
    tally.latency.recordMs(latencyMs);
    line.timeline.served(now, latencyMs, isGood);
  }

  #fail({ line, arrival }: Due, reason: string): void {
    const now = this.#nowMs();
    this.#open -= 1;
    const tally = line.tallies[arrival.phase]!;
    count(tally.failed, reason);
    // What was never answered took at least the deadline, as its user sees it.
    tally.latency.recordMs(Math.max(this.#plan.deadlineMs, now - arrival.atMs));
    line.timeline.at(now).failed += 1;
  }
}

/** `503 unavailable:inflight`: status, code and the gate or quota that the envelope names; without one its message. */
export function reasonOf({ status, body }: Reply): string {
  const code = /"code":"([a-z_]{1,40})"/.exec(body)?.[1] ?? '';
  const gate = /"(?:gate|quota|reason)":"([a-zA-Z_.-]{1,40})"/.exec(body)?.[1];
  const message = /"message":"([^"\\]{1,60})/.exec(body)?.[1];
  const detail = gate === undefined ? message && ` (${message})` : `:${gate}`;
  return `${status} ${code}${detail ?? ''}`.trim();
}
