import type { SimRandom } from '@ron/kernel/sim';
import { Violation } from '../violation.ts';
import type { Recorder } from './recorder.ts';

const dayMs = 86_400_000;
/** Complaints about what had been acknowledged. A torn last write and a log that waits for room to shrink are none. */
const loss = /(record|segment) is damaged|cannot be delivered/;
const calmLatencyMs = [0.02, 1.5] as const;

/** Breaks things while the clients work. */
export class Nemesis {
  readonly #recorder: Recorder;
  readonly #random: SimRandom;
  readonly #acts: readonly (() => Promise<void>)[];

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
    const random = recorder.world.random.fork('nemesis');
    this.#random = random;
    this.#disk.faults.latencyMs = calmLatencyMs;
    // Not all kinds in one seed, so that what one kind excuses does not hide another kind's defects.
    const acts = [() => this.#crash(), () => this.#crash(), () => this.#restart()];
    if (random.chance(0.3))
      acts.push(
        () => this.#errors(),
        () => this.#oneError(),
      );
    if (random.chance(0.3)) acts.push(() => this.#fill());
    if (random.chance(0.3)) acts.push(() => this.#slow());
    if (random.chance(0.3)) acts.push(() => this.#jump());
    if (random.chance(0.3)) acts.push(() => this.#pause());
    this.#acts = acts;
  }

  get #disk() {
    return this.#recorder.machine.env.machineDisk;
  }

  async run(): Promise<void> {
    const recorder = this.#recorder;
    while (!recorder.over) {
      await recorder.machine.sleep(500 + this.#random.unit() * 6_000);
      if (recorder.over) return;
      await this.#acts[this.#random.integer(this.#acts.length)]!();
      // An engine that has failed needs a new process, as an operator would give it.
      if (recorder.machine.isFailed) await this.#crash();
    }
  }

  /** The first start, or one after a crash. */
  async start(downMs: number): Promise<void> {
    const { machine, sightings, trace } = this.#recorder;
    const { faults } = this.#disk;
    const repeatedMs = Math.max(0, downMs - this.#recorder.lastChangeMs);
    faults.calm();
    for (let tries = 0; ; tries += 1) {
      const starting = machine.start().catch((error: unknown) => {
        throw new Violation('the engine does not start', { cause: error });
      });
      if (tries < 2 && machine.life > 1 && this.#random.chance(0.15)) {
        await machine.sleep(this.#random.unit() * 20);
        if (!machine.isUp) {
          sightings.note('crash during start');
          machine.crash(this.#random.chance(0.5) ? 'kill' : 'power cut');
        }
      }
      if ((await starting) === 'ready') break;
    }
    if (machine.life > 1) {
      this.#recorder.add({ op: 'restart', downMs, upMs: this.#recorder.nowMs, repeatedMs });
    }
    trace?.(`start of process ${machine.life}`);
    // What a failed sync dropped may have been seen by the next process, and be gone after a power cut.
    const excused = (faults.fired.get('error') ?? 0) > 0;
    const losses = machine.damage.filter((detail) => loss.test(detail) && !this.#isUnanswered(detail));
    if (losses.length > 0 && !excused) throw new Violation(`damage from nowhere: ${losses.join('; ')}`);
    machine.damage.length = 0;
  }

  /** About a message that a power cut tore while it was written: nobody had been told that it was there. */
  #isUnanswered(detail: string): boolean {
    const id = /message (\S+) of box/.exec(detail)?.[1];
    return id !== undefined && !this.#recorder.isAcknowledged(id);
  }

  async #crash(): Promise<void> {
    const { machine, sightings, trace } = this.#recorder;
    const kind = this.#random.chance(0.5) ? 'kill' : 'power cut';
    // Most moments are idle ones, and those in the middle of something are the interesting ones.
    if (this.#random.chance(0.7)) {
      await machine.nextCall(2_000);
      await machine.sleep(this.#random.unit() * 3);
    }
    trace?.(kind);
    sightings.note(kind);
    const downMs = this.#recorder.nowMs;
    machine.crash(kind);
    await machine.sleep(this.#random.unit() * 2_000);
    await this.start(downMs);
  }

  async #restart(): Promise<void> {
    const { machine, sightings, trace } = this.#recorder;
    trace?.('clean stop');
    sightings.note('clean stop');
    await machine.stop();
    await this.start(this.#recorder.nowMs);
  }

  /** Operations fail by chance for a while. */
  async #errors(): Promise<void> {
    const { machine, sightings } = this.#recorder;
    const { faults } = this.#disk;
    const kind = (['write', 'sync', 'read'] as const)[this.#random.integer(3)]!;
    const none = { readError: 0, writeError: 0, syncError: 0, flip: 0 };
    const before = faults.fired.get('error') ?? 0;
    this.#recorder.unreadable = kind === 'read';
    faults.rates = { ...none, [`${kind}Error`]: 0.05 + this.#random.unit() * 0.3 };
    await machine.sleep(500 + this.#random.unit() * 3_000);
    faults.calm();
    this.#recorder.unreadable = false;
    sightings.note(`eio on ${kind}`, (faults.fired.get('error') ?? 0) - before);
    await this.#crash();
  }

  /** Exactly one fails, at a place of the code that chance would seldom meet. */
  async #oneError(): Promise<void> {
    const { machine } = this.#recorder;
    const { faults } = this.#disk;
    const operations = ['write', 'sync', 'open', 'syncDirectory', 'remove', 'rename', 'truncate'] as const;
    faults.failNth(operations[this.#random.integer(operations.length)]!, 1 + this.#random.integer(10));
    await machine.sleep(2_000 + this.#random.unit() * 3_000);
    faults.calm();
    await this.#crash();
  }

  async #fill(): Promise<void> {
    const recorder = this.#recorder;
    const { faults } = this.#disk;
    recorder.trace?.('disk full');
    faults.capacityBytes = this.#disk.usedBytes + this.#random.integer(20_000);
    recorder.full = true;
    await recorder.machine.sleep(2_000 + this.#random.unit() * 10_000);
    recorder.full = false;
    faults.capacityBytes = Number.POSITIVE_INFINITY;
    recorder.trace?.('room again');
    if (recorder.machine.isFailed) throw new Violation('a full disk made the engine fail');
  }

  async #slow(): Promise<void> {
    const { faults } = this.#disk;
    this.#recorder.sightings.note('slow disk');
    faults.latencyMs = [20, 200];
    await this.#recorder.machine.sleep(3_000 + this.#random.unit() * 5_000);
    faults.latencyMs = calmLatencyMs;
  }

  async #jump(): Promise<void> {
    this.#recorder.sightings.note('clock jump');
    this.#recorder.machine.jumpClock(this.#random.chance(0.5) ? dayMs : -dayMs);
  }

  async #pause(): Promise<void> {
    this.#recorder.sightings.note('pause of 30 s');
    await this.#recorder.machine.pause(30_000);
  }

  /** Everything calm, a power cut, and what is there afterwards. */
  async last(): Promise<void> {
    const { machine } = this.#recorder;
    const { faults } = this.#disk;
    faults.calm();
    faults.capacityBytes = Number.POSITIVE_INFINITY;
    faults.latencyMs = calmLatencyMs;
    const downMs = this.#recorder.nowMs;
    machine.crash('power cut');
    await this.start(downMs);
  }
}
