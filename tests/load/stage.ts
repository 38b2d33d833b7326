import { setTimeout as sleep } from 'node:timers/promises';
import { Generator } from './generator/generator.ts';
import type { Lane, LoadPlan, RequestKind } from './generator/plan.ts';
import type { ArrivalKind } from './generator/schedule.ts';
import { limitsOf } from './measure/ceiling.ts';
import type { ProcessSamples } from './measure/process-samples.ts';
import { findSaturation, type Saturation, type Step } from './measure/saturation.ts';
import { phaseOf, unfitness } from './measure/summary.ts';
import { reasons } from './report/format.ts';
import type { LaneSpec, LoadOptions, Run, Stage } from './scenario.ts';
import { type MixName, mixOf } from './target/mixes.ts';
import type { Target } from './target/target.ts';

export interface StageParts {
  readonly quick: boolean;
  readonly seed: number;
  readonly arrivals: ArrivalKind;
  readonly connectionsMax: number;
  readonly mix: MixName;
  readonly target: Target;
  readonly saturation: () => Promise<Saturation>;
  readonly processes: ProcessSamples;
}

/** Source addresses of one generator: enough for all connections that a node takes. */
const addressesEach = 32;

/** What one scenario works with, and what it left behind. */
export class LoadStage implements Stage, Disposable {
  readonly quick: boolean;
  readonly seed: number;
  readonly arrivals: ArrivalKind;
  readonly target: Target;
  readonly runs: Run[] = [];
  readonly notes: string[] = [];
  readonly #parts: StageParts;
  readonly #idle: Generator[] = [];
  readonly #generators: Generator[] = [];

  constructor(parts: StageParts) {
    this.#parts = parts;
    this.quick = parts.quick;
    this.seed = parts.seed;
    this.arrivals = parts.arrivals;
    this.target = parts.target;
  }

  pick<T>(full: T, quick: T): T {
    return this.quick ? quick : full;
  }

  requests(mix: MixName = this.#parts.mix): readonly RequestKind[] {
    return mixOf(mix, this.target.seeded);
  }

  saturation(): Promise<Saturation> {
    return this.#parts.saturation();
  }

  async load(specs: readonly LaneSpec[], { label, connectionsMax }: LoadOptions): Promise<Run> {
    const lanes = await Promise.all(
      specs.map(async ({ tenant, phases, requests = this.requests() }): Promise<Lane> => {
        const { capability } = await this.target.tenant(tenant);
        return { name: tenant, capability, phases, requests, arrivals: this.arrivals };
      }),
    );
    const limits = limitsOf(connectionsMax ?? this.#parts.connectionsMax);
    // Loads that run at once must not draw the same arrivals.
    const seed = this.seed + 1_000_003 * (this.runs.length + this.#generators.length - this.#idle.length);
    const { host, port } = this.target;
    const generator = this.#idle.pop() ?? this.#start();
    const addressFrom = addressesEach * this.#generators.indexOf(generator);
    const plan: LoadPlan = { host, port, addressFrom, lanes, seed, ...limits, bucketMs: this.quick ? 200 : 500 };
    const result = await generator.run(plan);
    this.#idle.push(generator);
    const run: Run = { label, result, unfit: unfitness(result.generator) };
    this.runs.push(run);
    return run;
  }

  sample() {
    return this.#parts.processes.sample();
  }

  samples() {
    return this.#parts.processes.samples;
  }

  watch(name: string, pid: number): void {
    this.#parts.processes.watch(name, pid);
  }

  note(text: string): void {
    this.notes.push(text);
  }

  [Symbol.dispose](): void {
    for (const generator of this.#generators) generator[Symbol.dispose]();
  }

  #start(): Generator {
    const generator = new Generator();
    this.#generators.push(generator);
    this.watch(this.#generators.length === 1 ? 'generator' : `generator ${this.#generators.length}`, generator.pid);
    return generator;
  }
}

/** Raises the load on a target until goodput stops growing. */
export async function saturate(
  stage: LoadStage,
  onStep: (step: Step) => void,
  fromPerSecond = stage.pick(1_000, 2_000),
): Promise<Saturation> {
  const measure = async (perSecond: number): Promise<Step> => {
    // What the step before left behind, queues and closed gates, is not this one's.
    await sleep(stage.pick(1_000, 300));
    const phases = [
      { name: 'warm', seconds: stage.pick(1, 0.4), perSecond },
      { name: 'measured', seconds: stage.pick(4, 1), perSecond },
    ];
    const { result, unfit } = await stage.load([{ tenant: 'ramp', phases }], { label: `${Math.round(perSecond)}/s` });
    const { goodput, p99Ms, late, refusals, failures } = phaseOf(result, 'measured');
    const lost = reasons({ ...refusals, ...failures, ...(late > 0 ? { late } : {}) });
    const step = { offered: perSecond, goodput, p99Ms, lost, unfit };
    onStep(step);
    return step;
  };
  const ramp = { toPerSecond: 130_000, factor: stage.pick(1.5, 2), refinements: stage.pick(3, 1) };
  return await findSaturation(measure, { fromPerSecond, ...ramp });
}
