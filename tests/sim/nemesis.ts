import type { DiskOperation, SimRandom } from '@ron/kernel/sim';
import { audit } from './auditor.ts';
import { collect } from './keep-asks.ts';
import { pick, type Session } from './session.ts';
import type { Sighting } from './sightings.ts';
import { Violation } from './violation.ts';

/** Which kinds of faults a seed has, so that what one kind excuses does not hide another kind's defects. */
interface Temper {
  readonly flips: boolean;
  readonly errors: boolean;
  readonly full: boolean;
  readonly slow: boolean;
  readonly jumps: boolean;
}

const dayMs = 86_400_000;
const calmLatencyMs = [0.02, 1.5] as const;

/** What bit rot in them turns red, for good: a log or a revocation that may have been changed is not for the node to excuse. */
const evidence: ReadonlySet<string> = new Set(['audit.audit', 'trust-records']);

/** Breaks things while the clients work, and judges each start. */
export class Nemesis {
  readonly #session: Session;
  readonly #random: SimRandom;
  readonly #temper: Temper;

  constructor(session: Session) {
    this.#session = session;
    const random = session.world.random.fork('nemesis');
    this.#random = random;
    this.#temper = {
      flips: random.chance(0.25),
      errors: random.chance(0.25),
      full: random.chance(0.25),
      slow: random.chance(0.3),
      jumps: random.chance(0.3),
    };
    this.#disk.faults.latencyMs = calmLatencyMs;
  }

  get #disk() {
    return this.#session.machine.env.machineDisk;
  }

  /** Until `done`. Every kind of fault of this seed's temper, then one more restart with everything calm. */
  async run(done: () => boolean): Promise<void> {
    const acts = this.#acts();
    while (!done()) {
      await this.#among(5 + this.#random.integer(25));
      if (!done()) await pick(this.#random, acts)();
    }
  }

  /** After some more requests, at any point inside of one. */
  async #among(requests: number): Promise<void> {
    await this.#session.busyFor(requests);
    await this.#session.sleep(this.#random.unit() * 4);
  }

  #acts(): readonly (() => Promise<void>)[] {
    const { flips, errors, full, slow, jumps } = this.#temper;
    const crash = () => this.#crash();
    const acts = [crash, crash, crash, () => this.#rest(), () => this.#sweep(), () => this.#restart()];
    if (flips)
      acts.push(
        () => this.#flip(),
        () => this.#flip(),
      );
    if (errors)
      acts.push(
        () => this.#errorRates(),
        () => this.#errorOnce(),
        () => this.#errorOfNames(),
      );
    if (full)
      acts.push(
        () => this.#fill(),
        () => this.#fill(),
      );
    if (slow) acts.push(() => this.#slow());
    if (jumps) acts.push(() => this.#jump());
    return acts;
  }

  /** The first start, or one after a crash: alone, judged, then the clients go on. */
  async start(share = 0.1): Promise<void> {
    const { machine } = this.#session;
    this.#disk.faults.calm();
    for (let tries = 0; ; tries++) {
      const starting = machine.start();
      if (tries < 3 && machine.life > 1 && this.#random.chance(0.15)) {
        await this.#session.sleep(this.#random.unit() * 12);
        this.#session.saw('crash during start');
        await machine.crash(this.#random.chance(0.5) ? 'kill' : 'power cut');
      }
      const outcome = await starting.catch((error: unknown) => {
        throw new Violation(`the node does not start: ${error instanceof Error ? error.stack : String(error)}`);
      });
      this.#session.trace(`start: ${outcome}`);
      if (outcome === 'ready') break;
    }
    // Whatever jumped before is what this process takes for the present.
    await audit(this.#session, this.#random, share);
    const unready = await machine.unready(this.#temper.flips ? evidence : new Set());
    if (unready !== undefined && !this.#isFull) throw new Violation(`not ready after its start: ${unready}`);
    this.#session.open();
  }

  get #isFull(): boolean {
    return this.#disk.faults.capacityBytes !== Number.POSITIVE_INFINITY;
  }

  async #crash(): Promise<void> {
    const kind = this.#random.chance(0.4) ? 'kill' : 'power cut';
    this.#session.trace(kind);
    this.#session.saw(kind);
    this.#session.shut();
    await this.#session.machine.crash(kind);
    await this.#session.quiet();
    if (this.#temper.flips && this.#random.chance(0.4)) this.#flipNow();
    await this.#session.sleep(this.#random.unit() * 100);
    await this.start();
  }

  /** A clean stop while nobody waits, and a start. */
  async #restart(): Promise<void> {
    if (this.#random.chance(0.5)) return;
    this.#session.shut();
    await this.#session.quiet();
    this.#session.trace('clean stop');
    this.#session.saw('clean stop');
    await this.#session.machine.stop();
    await this.start();
  }

  /** Clients think long enough for grace and trash to pass. */
  async #rest(): Promise<void> {
    this.#session.shut();
    await this.#session.sleep(20_000 + this.#random.unit() * 40_000);
    this.#session.open();
  }

  /** Collections far enough apart to trash and to purge, with clients at work in between. */
  async #sweep(): Promise<void> {
    const collector = { session: this.#session, random: this.#random, name: 'nemesis' };
    for (let round = 0; round < 2; round++) {
      await this.#rest();
      await Promise.all([collect(collector), this.#among(3)]);
    }
  }

  async #flip(): Promise<void> {
    this.#flipNow();
  }

  #flipNow(): void {
    const flipped = this.#disk.flipBit();
    if (flipped === undefined) return;
    this.#session.weather.flips += 1;
    this.#session.trace(`bit flipped at ${flipped.path}:${flipped.offsetBytes}`);
  }

  /** Reads, writes or syncs fail by chance for a while; then the machine is restarted, as an operator would do. */
  async #errorRates(): Promise<void> {
    const kind = pick(this.#random, ['read', 'write', 'sync'] as const);
    const rate = 0.02 + this.#random.unit() * 0.2;
    const before = this.#errorsFired;
    this.#session.trace(`i/o errors on ${kind}`);
    this.#session.weather.errorLife = this.#session.machine.life;
    const none = { readError: 0, writeError: 0, syncError: 0, flip: 0 };
    this.#disk.faults.rates = { ...none, [`${kind}Error`]: rate };
    this.#session.weather.errors += 1_000_000;
    await this.#among(5 + this.#random.integer(20));
    this.#disk.faults.calm();
    this.#session.weather.errors -= 1_000_000;
    this.#countErrors(before, `eio on ${kind}`);
    await this.#crash();
  }

  /** Exactly one operation fails, at a place of the code that chance would seldom meet. */
  async #errorOnce(): Promise<void> {
    const operation = pick<DiskOperation>(this.#random, ['write', 'sync', 'rename', 'open', 'syncDirectory', 'remove']);
    const before = this.#errorsFired;
    this.#session.trace(`one i/o error on ${operation}`);
    this.#session.weather.errorLife = this.#session.machine.life;
    this.#disk.faults.failNth(operation, 1 + this.#random.integer(20));
    await this.#among(10 + this.#random.integer(20));
    this.#disk.faults.calm();
    this.#countErrors(before, operation === 'write' || operation === 'sync' ? `eio on ${operation}` : undefined);
    await this.#crash();
  }

  get #errorsFired(): number {
    return this.#disk.faults.fired.get('error') ?? 0;
  }

  #countErrors(before: number, sighting: Sighting | undefined): void {
    const fired = this.#errorsFired - before;
    this.#session.weather.errors += fired;
    if (sighting !== undefined) this.#session.saw(sighting, fired);
  }

  async #errorOfNames(): Promise<void> {
    const { names } = this.#session.machine;
    this.#session.trace('i/o error under the names');
    names.failCommits = 1;
    await this.#among(20);
    if (names.failed) this.#session.saw('eio on names');
    names.failCommits = 0;
    await this.#crash();
  }

  /** The disk fills up, perhaps the power fails meanwhile, and then there is room again. */
  async #fill(): Promise<void> {
    const disk = this.#disk;
    this.#session.trace('disk full');
    this.#session.weather.fullUntilMs = Number.POSITIVE_INFINITY;
    disk.faults.capacityBytes = disk.usedBytes + this.#random.integer(200_000);
    await this.#among(10 + this.#random.integer(20));
    if (this.#random.chance(0.3)) await this.#crash();
    disk.faults.capacityBytes = Number.POSITIVE_INFINITY;
    this.#session.weather.fullUntilMs = this.#session.nowMs;
    this.#session.trace('room again');
  }

  async #slow(): Promise<void> {
    this.#session.trace('slow disk');
    this.#session.saw('slow disk');
    this.#session.weather.slowUntilMs = Number.POSITIVE_INFINITY;
    this.#disk.faults.latencyMs = [20, 200];
    await this.#among(10 + this.#random.integer(20));
    this.#disk.faults.latencyMs = calmLatencyMs;
    this.#session.weather.slowUntilMs = this.#session.nowMs;
  }

  async #jump(): Promise<void> {
    const byMs = this.#random.chance(0.5) ? dayMs : -dayMs;
    this.#session.trace(`clock jumps by ${byMs} ms`);
    this.#session.saw('clock jump');
    this.#session.machine.jumpClock(byMs);
    this.#session.objects.jumpedMs += dayMs;
  }
}
