import { availableParallelism } from 'node:os';
import { describe } from './run-seed.ts';
import { SeedPool } from './seed-pool.ts';
import { parseArgs, type SimArgs, type SimCommand, usageOf } from './sim-args.ts';
import type { Tally } from './tally.ts';

export interface SeedOptions<Canary extends string> {
  readonly seed: number;
  readonly canary?: Canary | undefined;
  /** Told of what happens, line by line. */
  readonly trace?: ((line: string) => void) | undefined;
}

/** What one seed came to. */
export interface SeedOutcome<Sighting extends string> {
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly sightings: Iterable<readonly [Sighting, number]>;
  readonly failure?: { readonly message: string; readonly detail: string } | undefined;
}

export interface Simulation<Canary extends string, Sighting extends string, Outcome extends SeedOutcome<Sighting>> {
  readonly command: SimCommand<Canary>;
  /** The module that runs seeds on a thread. */
  readonly thread: URL;
  runSeed(options: SeedOptions<Canary>): Promise<Outcome>;
  /** Of what must be met in a complete run. */
  readonly sightings: Tally<Sighting>;
  /** Seeds that a canary gets to be caught in. */
  readonly canarySeedsMax: number;
  /** What a seed did, and what that is called. */
  readonly work: { readonly name: string; of(outcome: Outcome): number };
}

/** One seed of so many runs a second time, to compare trace hashes. */
const repeatEvery = 50;
const failuresShown = 20;
const rarestShown = 8;

/** One run of a simulation's command: its seeds, what they gave, and the verdict. */
class Campaign<Canary extends string, Sighting extends string, Outcome extends SeedOutcome<Sighting>>
  implements AsyncDisposable
{
  readonly #simulation: Simulation<Canary, Sighting, Outcome>;
  readonly #args: SimArgs<Canary>;
  readonly #pool: SeedPool<SeedOptions<Canary>, Outcome>;
  #passed = 0;
  #failed = 0;
  #work = 0;
  #virtualMs = 0;

  constructor(simulation: Simulation<Canary, Sighting, Outcome>, args: SimArgs<Canary>) {
    this.#simulation = simulation;
    this.#args = args;
    const threads = args.trace ? 0 : Math.min(2, availableParallelism());
    this.#pool = new SeedPool(simulation.thread, (options) => simulation.runSeed(options), threads);
  }

  async all(): Promise<boolean> {
    const began = process.hrtime.bigint();
    const { canary, complete, seeds, trace } = this.#args;
    const { command, work } = this.#simulation;
    await Promise.all(seeds.map((seed, index) => this.#checkSeed(seed, !trace && index % repeatEvery === 0)));
    if (complete) this.#checkSightings();
    if (complete && canary === undefined)
      await Promise.all(command.canaries.map((broken) => this.#checkCanary(broken)));
    const wallMs = Number(process.hrtime.bigint() - began) / 1e6;
    print(
      `${seeds.length} seeds, ${this.#work} ${work.name}, ${(this.#virtualMs / 1_000).toFixed(0)} s of virtual time in ` +
        `${(wallMs / 1_000).toFixed(1)} s, ${(this.#virtualMs / wallMs).toFixed(0)} times as fast as real time`,
    );
    print(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed === 0;
  }

  async #run(options: SeedOptions<Canary>): Promise<Outcome> {
    const outcome = await this.#pool.run(options);
    this.#work += this.#simulation.work.of(outcome);
    this.#virtualMs += outcome.virtualMs;
    return outcome;
  }

  async #checkSeed(seed: number, twice: boolean): Promise<void> {
    const { canary, trace } = this.#args;
    const write = (line: string) => void process.stderr.write(`${line}\n`);
    const options = { seed, ...(canary && { canary }), ...(trace && { trace: write }) };
    const { failure, traceHash, sightings } = await this.#run(options);
    this.#simulation.sightings.add(sightings);
    const broken = canary === undefined ? '' : ` --canary ${canary}`;
    const replay = `node ${this.#simulation.command.path} --seed ${seed}${broken} --trace`;
    this.#judge(failure === undefined, `seed ${seed}: ${failure?.detail}\n  replay: ${replay}`);
    if (!twice) return;
    // The same seed must do the same, or no failure could be replayed.
    const again = await this.#run(options);
    const hashes = `trace ${traceHash}, then ${again.traceHash}`;
    this.#judge(again.traceHash === traceHash, `seed ${seed} is not deterministic: ${hashes}`);
  }

  /** Faults that never fired, and branches that were never taken, were not tested. */
  #checkSightings(): void {
    const { sightings } = this.#simulation;
    const missing = sightings.missing();
    this.#judge(missing.length === 0, `never met in ${this.#args.seeds.length} seeds: ${missing.join(', ')}`);
    const rarest = sightings.rarest().slice(0, rarestShown);
    print(
      `${sightings.counts.size} sightings; rarest: ${rarest.map(([what, times]) => `${what} ${times}`).join(', ')}`,
    );
  }

  /** What a broken build passes shows nothing. */
  async #checkCanary(canary: Canary): Promise<void> {
    const { canarySeedsMax } = this.#simulation;
    for (let seed = 1; seed <= canarySeedsMax; seed++) {
      const { failure } = await this.#run({ seed, canary });
      if (failure === undefined) continue;
      this.#judge(true, '');
      print(`canary ${canary}: caught by seed ${seed}: ${failure.message.split('\n')[0]!.slice(0, 160)}`);
      return;
    }
    this.#judge(false, `canary ${canary}: not caught in ${canarySeedsMax} seeds`);
  }

  #judge(ok: boolean, complaint: string): void {
    if (ok) this.#passed += 1;
    else this.#failed += 1;
    if (!ok && this.#failed <= failuresShown) print(complaint);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}

/** The main of a simulation: exit code 1 for a failed run, 2 for a command line that is not understood. */
export async function runSimulation<Canary extends string, Sighting extends string, O extends SeedOutcome<Sighting>>(
  simulation: Simulation<Canary, Sighting, O>,
): Promise<void> {
  try {
    await using campaign = new Campaign(simulation, parseArgs(process.argv.slice(2), simulation.command));
    process.exitCode = (await campaign.all()) ? 0 : 1;
  } catch (error) {
    const said = error instanceof Error ? describe(error) : String(error);
    process.stderr.write(
      error instanceof RangeError ? `${error.message}\n${usageOf(simulation.command)}` : `${said}\n`,
    );
    process.exitCode = 2;
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
