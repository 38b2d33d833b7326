import type { Clock, Env, Timer } from '@ron/kernel';
import type { SimEnv, SimWorld } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import { type MailboxEngine, openJournalMailboxes } from '@ron/svc-mailbox/service';
import { defaultSettings } from '../../contract/engines/mailbox-calls.ts';
import { Violation } from '../violation.ts';
import { brokenEngine, brokenEnv, type Canary } from './canaries.ts';
import type { Sightings } from './sightings.ts';

export const limits = { attemptsMax: 4, keyWindowMs: 30_000, deadRetentionMs: 3_600_000, retentionMs: 1_800_000 };

/** Small, so that a run of minutes meets what a node meets in weeks. */
const settings = {
  ...defaultSettings,
  attempts_max: limits.attemptsMax,
  retention_ms: limits.retentionMs,
  dead_retention_ms: limits.deadRetentionMs,
  idempotency_window_ms: limits.keyWindowMs,
};
const disk = { segmentBytes: 32_768, reserveBytes: 16_384, hotBytesMax: 8_192, bytesMax: 64 * 1_048_576 };

/** No call may take longer, however slow the disk. */
const hangMs = 900_000;

/** `lost`: nobody knows. `down`: it was not there to ask. `full`: refused for want of space, and nothing was changed. */
export type Failed = 'lost' | 'down' | 'full';

/** One machine: its disk stays, its processes come and go. */
export class Machine {
  readonly world: SimWorld;
  env: SimEnv;
  /** Grows with each process. */
  life = 0;
  calls = 0;
  readonly damage: string[] = [];
  readonly #canary: Canary | undefined;
  readonly #sightings: Sightings;
  #engine: MailboxEngine | undefined;
  #dead = Promise.withResolvers<'lost'>();
  #clock: PausableClock;
  #wallOffsetMs = 0;
  #onCall: (() => void) | undefined;

  constructor(world: SimWorld, canary: Canary | undefined, sightings: Sightings) {
    this.world = world;
    this.#canary = canary;
    this.#sightings = sightings;
    this.env = world.node('node');
    this.#clock = new PausableClock(this.env.clock);
  }

  get isUp(): boolean {
    return this.#engine !== undefined;
  }

  get isFailed(): boolean {
    return this.#engine?.failure !== undefined;
  }

  /** Starts a process; `lost` when it was killed before it was ready. Throws what the start throws. */
  async start(): Promise<'ready' | 'lost'> {
    this.life += 1;
    this.#dead = Promise.withResolvers();
    const { env, life } = this;
    env.clock.jumpWall(this.#wallOffsetMs);
    this.#clock = new PausableClock(env.clock);
    const { random, net, work, disk: port } = env;
    const ports: Env = brokenEnv({ clock: this.#clock, random, net, work, disk: port }, this.#canary);
    const onDamage = (detail: string) => {
      if (env === this.env) this.damage.push(detail);
    };
    const opening = openJournalMailboxes({ env: ports, folder: 'mailbox', config: () => settings, ...disk, onDamage });
    const engine = await this.#orDead(opening, 'start');
    if (engine === 'lost') return 'lost';
    this.#engine = brokenEngine(engine, this.#canary, life);
    return 'ready';
  }

  /** The process or the machine dies now. Whoever waits for it is told `lost`. */
  crash(kind: 'kill' | 'power cut'): void {
    this.#noteWork();
    this.#engine = undefined;
    this.env = kind === 'kill' ? this.env.kill() : this.env.crash();
    this.#dead.resolve('lost');
  }

  /** As SIGTERM does. */
  async stop(): Promise<void> {
    this.#noteWork();
    const engine = this.#engine;
    this.#engine = undefined;
    if (engine !== undefined) await this.#orDead(Promise.resolve(engine[Symbol.asyncDispose]()), 'stop');
    this.env = this.env.kill();
    this.#dead.resolve('lost');
  }

  jumpClock(byMs: number): void {
    this.#wallOffsetMs += byMs;
    this.env.clock.jumpWall(byMs);
  }

  /** The process stands still, as after SIGSTOP, while everybody else goes on. */
  async pause(durationMs: number): Promise<void> {
    const clock = this.#clock;
    const { faults } = this.env.machineDisk;
    const { latencyMs } = faults;
    clock.pause();
    faults.latencyMs = [durationMs, durationMs + 1];
    await this.sleep(durationMs);
    faults.latencyMs = latencyMs;
    clock.resume();
  }

  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.world.scheduler.after(durationMs, resolve, 'sleep');
    });
  }

  /** Until somebody asks for something, or for a while. */
  nextCall(patienceMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#onCall = resolve;
      this.world.scheduler.after(patienceMs, resolve, 'patience');
    });
  }

  /** Calls the engine. */
  async ask<T>(what: string, use: (engine: MailboxEngine) => Promise<T>): Promise<{ readonly answer: T } | Failed> {
    while (this.#clock.isPaused) await this.sleep(100);
    const engine = this.#engine;
    if (engine === undefined) return 'down';
    this.calls += 1;
    this.#onCall?.();
    try {
      const answer = await this.#orDead(
        use(engine).then((value) => ({ answer: value })),
        what,
      );
      this.world.scheduler.record(`${what} ${typeof answer === 'string' ? answer : JSON.stringify(answer)}`);
      return answer;
    } catch (error) {
      if (!(error instanceof RonError)) throw error;
      if (error.code === 'insufficient_storage') return 'full';
      if (error.code === 'unavailable' || error.code === 'integrity') return 'lost';
      throw new Violation(`${what} was refused with ${error.code}`, { cause: error });
    }
  }

  /** Resolves when the engine says so, or after a while. True: woken. */
  wait(key: { readonly tenant: string; readonly box: string }, patienceMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const engine = this.#engine;
      const timer = this.world.scheduler.after(patienceMs, () => end(false), 'patience');
      const watch = engine?.watch(key, () => end(true));
      function end(woken: boolean): void {
        timer.cancel();
        watch?.[Symbol.dispose]();
        resolve(woken);
      }
    });
  }

  #noteWork(): void {
    this.#sightings.note('log compacted', this.#engine?.counters.log?.compactedSegments ?? 0);
  }

  #orDead<T>(work: Promise<T>, what: string): Promise<T | 'lost'> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Violation(`${what}: no answer within ${hangMs} virtual ms`));
      const timer = this.world.scheduler.after(hangMs, late, 'hang');
      const done = <V>(settle: (value: V) => void) => {
        return (value: V) => {
          timer.cancel();
          settle(value);
        };
      };
      work.then(done(resolve), done(reject));
      this.#dead.promise.then(done(resolve), done(reject));
    });
  }
}

/** Timers that are due during a pause fire after it. */
class PausableClock implements Clock {
  readonly #clock: Clock;
  #late: (() => void)[] | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isPaused(): boolean {
    return this.#late !== undefined;
  }

  pause(): void {
    this.#late ??= [];
  }

  resume(): void {
    const late = this.#late ?? [];
    this.#late = undefined;
    for (const task of late) task();
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, task: () => void): Timer {
    let cancelled = false;
    const run = () => {
      if (!cancelled) task();
    };
    const timer = this.#clock.after(delayMs, () => {
      if (this.#late === undefined) run();
      else this.#late.push(run);
    });
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }
}
