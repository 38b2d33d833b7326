import type { Disk } from '../env/disk.ts';
import type { Env } from '../env/env.ts';
import { createInlineWork } from '../real/work.ts';
import { SimDisk } from './disk.ts';
import { type SimNet, SimNetwork } from './net.ts';
import { createSimRandom, type SimRandom } from './random.ts';
import { SimClock, SimScheduler } from './scheduler.ts';

export interface SimOptions {
  /** Everything that is random in the run follows from it. Print it when a run fails. */
  readonly seed: string | number;
  /** Wall time at virtual time 0; 2026-01-01 by default. */
  readonly epochMs?: number;
}

/** Any number of nodes on one virtual time, one network, one seed. */
export class SimWorld {
  readonly seed: string | number;
  readonly scheduler = new SimScheduler();
  readonly network: SimNetwork;
  /** For the test itself: workload and choice of faults. */
  readonly random: SimRandom;
  readonly #root: SimRandom;
  readonly #epochMs: number;
  readonly #disks = new Map<string, SimDisk>();
  readonly #lives = new Map<string, number>();

  constructor(options: SimOptions) {
    this.seed = options.seed;
    this.#epochMs = options.epochMs ?? Date.UTC(2026, 0, 1);
    this.#root = createSimRandom(options.seed);
    this.random = this.#root.fork('test');
    this.network = new SimNetwork(this.scheduler, this.#root.fork('network'));
  }

  get traceHash(): string {
    return this.scheduler.traceHash;
  }

  /** A process on the machine `name`. The machine's disk stays from one process to the next. */
  node(name: string): SimEnv {
    const life = (this.#lives.get(name) ?? 0) + 1;
    this.#lives.set(name, life);
    let disk = this.#disks.get(name);
    if (disk === undefined) {
      disk = new SimDisk(this.#root.fork(`disk ${name}`));
      this.#disks.set(name, disk);
    }
    const clock = new SimClock(this.scheduler, name, this.#epochMs);
    return new SimEnv(this, name, clock, disk, this.#root.fork(`random ${name} ${life}`));
  }
}

/** The ports of one simulated process, and the hands on its machine. */
export class SimEnv implements Env {
  readonly world: SimWorld;
  readonly name: string;
  readonly clock: SimClock;
  readonly random: SimRandom;
  readonly disk: Disk;
  /** The machine's disk: faults, flips, capacity. */
  readonly machineDisk: SimDisk;
  readonly net: SimNet;
  readonly work = createInlineWork();

  constructor(world: SimWorld, name: string, clock: SimClock, disk: SimDisk, random: SimRandom) {
    this.world = world;
    this.name = name;
    this.clock = clock;
    this.random = random;
    this.machineDisk = disk;
    this.disk = disk.attach(clock);
    this.net = world.network.attach(name, clock);
  }

  get scheduler(): SimScheduler {
    return this.world.scheduler;
  }

  get traceHash(): string {
    return this.world.traceHash;
  }

  /** Power cut: timers, connections and unsynced bytes are gone. Gives the machine's next process. */
  crash(): SimEnv {
    this.#die();
    this.machineDisk.crash();
    return this.world.node(this.name);
  }

  /** `kill -9`: as `crash`, but the system still writes what it was given. */
  kill(): SimEnv {
    this.#die();
    this.machineDisk.kill();
    return this.world.node(this.name);
  }

  #die(): void {
    this.clock.kill();
    this.world.network.detach(this.name);
  }
}

/** One node in a world of its own. */
export function createSimEnv(options: SimOptions & { readonly name?: string }): SimEnv {
  return new SimWorld(options).node(options.name ?? 'node');
}
