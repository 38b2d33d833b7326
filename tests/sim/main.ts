import { type Canary, canaries, parseArgs, type SimArgs, usage } from './args.ts';
import { describe, type SeedOptions, type SeedResult } from './run-seed.ts';
import { SeedPool } from './seed-pool.ts';
import { Sightings } from './sightings.ts';

/** Seeds that a canary gets to be caught in. */
const canarySeedsMax = 40;
const rarestShown = 6;

/** One run of the command: its seeds, what they gave, and the verdict. */
class Run implements AsyncDisposable {
  readonly #args: SimArgs;
  readonly #pool: SeedPool;
  readonly #sightings = new Sightings();
  #passed = 0;
  #failed = 0;
  #requests = 0;
  #virtualMs = 0;

  constructor(args: SimArgs) {
    this.#args = args;
    this.#pool = new SeedPool(args.trace ? 0 : undefined);
  }

  async all(): Promise<boolean> {
    const began = process.hrtime.bigint();
    const { canary, complete, seeds, trace, twice } = this.#args;
    const results = await Promise.all(seeds.map((seed) => this.#checkSeed(seed)));
    if (!trace) for (const result of results.slice(0, twice)) await this.#checkRepeat(result);
    if (complete) this.#checkSightings();
    if (complete && canary === undefined) for (const broken of canaries) await this.#checkCanary(broken);
    const wallMs = Number(process.hrtime.bigint() - began) / 1e6;
    print(
      `${this.#requests} simulated requests in ${(this.#virtualMs / 1_000).toFixed(0)} s of virtual time; ` +
        `${(wallMs / 1_000).toFixed(1)} s of wall time, ${(this.#virtualMs / wallMs).toFixed(0)} times as fast as real time`,
    );
    print(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed === 0;
  }

  async #run(options: SeedOptions): Promise<SeedResult> {
    const result = await this.#pool.run(options);
    this.#requests += result.requests;
    this.#virtualMs += result.virtualMs;
    return result;
  }

  async #checkSeed(seed: number): Promise<SeedResult> {
    const { canary, trace } = this.#args;
    const write = (line: string) => void process.stderr.write(`${line}\n`);
    const result = await this.#run({ seed, ...(canary && { canary }), ...(trace && { trace: write }) });
    this.#sightings.add(result.sightings);
    const replay = `npm run sim -- --seed ${seed}${canary === undefined ? '' : ` --canary ${canary}`} --trace`;
    this.#judge(result.failure === undefined, `seed ${seed}: ${result.failure?.detail}\n  replay: ${replay}`);
    return result;
  }

  /** The same seed must do the same, or no failure could be replayed. */
  async #checkRepeat({ seed, traceHash }: SeedResult): Promise<void> {
    const { canary } = this.#args;
    const again = await this.#run({ seed, ...(canary && { canary }) });
    const complaint = `seed ${seed} is not deterministic: trace ${traceHash}, then ${again.traceHash}`;
    this.#judge(again.traceHash === traceHash, complaint);
    print(`seed ${seed}: trace ${again.traceHash}`);
  }

  /** Faults that never fired, and branches that were never taken, were not tested. */
  #checkSightings(): void {
    const missing = this.#sightings.missing();
    this.#judge(missing.length === 0, `never met in ${this.#args.seeds.length} seeds: ${missing.join(', ')}`);
    const rarest = this.#sightings.rarest().slice(0, rarestShown);
    print(`rarest: ${rarest.map(([what, times]) => `${what} ${times}`).join(', ')}`);
  }

  /** What a broken build passes shows nothing. */
  async #checkCanary(canary: Canary): Promise<void> {
    for (let seed = 1; seed <= canarySeedsMax; seed++) {
      const { failure } = await this.#run({ seed, canary });
      if (failure === undefined) continue;
      this.#judge(true, '');
      print(`canary ${canary}: caught by seed ${seed}: ${failure.message.slice(0, 160)}`);
      return;
    }
    this.#judge(false, `canary ${canary}: not caught in ${canarySeedsMax} seeds`);
  }

  #judge(ok: boolean, complaint: string): void {
    if (ok) this.#passed += 1;
    else this.#failed += 1;
    if (!ok) print(complaint);
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
