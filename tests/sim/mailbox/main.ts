import { describe } from '../run-seed.ts';
import { parseArgs, type SimArgs, usage } from './args.ts';
import { type Canary, canaries } from './canaries.ts';
import type { SeedOptions, SeedResult } from './run-seed.ts';
import { SeedPool } from './seed-pool.ts';
import { Sightings } from './sightings.ts';

/** Seeds that a canary gets to be caught in. */
const canarySeedsMax = 60;
/** One seed of so many runs a second time, to compare trace hashes. */
const repeatEvery = 50;
const failuresShown = 5;

/** One run of the command: its seeds, what they gave, and the verdict. */
class Run implements AsyncDisposable {
  readonly #args: SimArgs;
  readonly #pool: SeedPool;
  readonly #sightings = new Sightings();
  #passed = 0;
  #failed = 0;
  #operations = 0;
  #virtualMs = 0;

  constructor(args: SimArgs) {
    this.#args = args;
    this.#pool = new SeedPool(args.trace ? 0 : undefined);
  }

  async all(): Promise<boolean> {
    const began = process.hrtime.bigint();
    const { canary, complete, seeds, trace } = this.#args;
    await Promise.all(seeds.map((seed, index) => this.#checkSeed(seed, !trace && index % repeatEvery === 0)));
    if (complete) this.#checkSightings();
    if (complete && canary === undefined) await Promise.all(canaries.map((broken) => this.#checkCanary(broken)));
    const wallMs = Number(process.hrtime.bigint() - began) / 1e6;
    print(
      `${seeds.length} seeds, ${this.#operations} operations, ${(this.#virtualMs / 1_000).toFixed(0)} s of virtual ` +
        `time in ${(wallMs / 1_000).toFixed(1)} s`,
    );
    print(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed === 0;
  }

  async #checkSeed(seed: number, twice: boolean): Promise<void> {
    const { canary, trace } = this.#args;
    const write = (line: string) => void process.stderr.write(`${line}\n`);
    const options: SeedOptions = { seed, ...(canary && { canary }), ...(trace && { trace: write }) };
    const result = await this.#pool.run(options);
    this.#count(result);
    this.#sightings.add(result.sightings);
    const replay = `node tests/sim/mailbox/main.ts --seed ${seed}${canary === undefined ? '' : ` --canary ${canary}`} --trace`;
    this.#judge(result.failure === undefined, `seed ${seed}: ${result.failure?.detail}\n  replay: ${replay}`);
    if (!twice) return;
    // The same seed must do the same, or no failure could be replayed.
    const again = await this.#pool.run(options);
    const hashes = `trace ${result.traceHash}, then ${again.traceHash}`;
    this.#judge(again.traceHash === result.traceHash, `seed ${seed} is not deterministic: ${hashes}`);
  }

  #count({ operations, virtualMs }: SeedResult): void {
    this.#operations += operations;
    this.#virtualMs += virtualMs;
  }

  /** Faults that never fired, and branches that were never taken, were not tested. */
  #checkSightings(): void {
    for (const [what, times] of this.#sightings.all()) print(`${String(times).padStart(9)} ${what}`);
    const missing = this.#sightings.missing();
    this.#judge(missing.length === 0, `never met in ${this.#args.seeds.length} seeds: ${missing.join(', ')}`);
  }

  /** What a broken build passes shows nothing. */
  async #checkCanary(canary: Canary): Promise<void> {
    for (let seed = 1; seed <= canarySeedsMax; seed++) {
      const { failure } = await this.#pool.run({ seed, canary });
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

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<void> {
  await using run = new Run(parseArgs(process.argv.slice(2)));
  process.exitCode = (await run.all()) ? 0 : 1;
}

main().catch((error: unknown) => {
  const known = error instanceof RangeError;
  process.stderr.write(known ? `${error.message}\n${usage}` : `${error instanceof Error ? describe(error) : error}\n`);
  process.exitCode = 2;
});
