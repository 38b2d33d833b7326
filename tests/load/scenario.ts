import type { LoadResult, RequestKind } from './generator/plan.ts';
import type { ArrivalKind, Phase } from './generator/schedule.ts';
import type { ProcessSample } from './measure/process-samples.ts';
import type { Saturation } from './measure/saturation.ts';
import type { MixName } from './target/mixes.ts';
import type { Target, Through } from './target/target.ts';

export interface Scenario {
  readonly name: string;
  /** One line for `--list`. */
  readonly what: string;
  readonly through: Through;
  /** Used unless `--mix` says otherwise. */
  readonly mix: MixName;
  /** False for one that does not ask for saturation, so that it need not be found. */
  readonly saturates?: false;
  /** Further flags of the nodes. */
  readonly args?: readonly string[];
  run(stage: Stage): Promise<readonly Verdict[]>;
}

/** A bar, what was found, and whether it is met; undefined: cannot be judged, and `found` says why. */
export interface Verdict {
  readonly bar: string;
  readonly found: string;
  readonly met: boolean | undefined;
}

export interface LaneSpec {
  /** A tenant of that name. */
  readonly tenant: string;
  readonly phases: readonly Phase[];
  /** Default: the mix of the run. */
  readonly requests?: readonly RequestKind[];
}

export interface LoadOptions {
  readonly label: string;
  readonly connectionsMax?: number;
}

/** One load of a scenario, as it goes into table and plot. */
export interface Run {
  readonly label: string;
  readonly result: LoadResult;
  /** Why the generator may have been the bottleneck. */
  readonly unfit: string | undefined;
}

/** What a scenario works with. Health is probed and processes are sampled for as long as it runs. */
export interface Stage {
  readonly quick: boolean;
  readonly seed: number;
  readonly arrivals: ArrivalKind;
  readonly target: Target;
  /** The first of a full run, the second of a quick one. */
  pick<T>(full: T, quick: T): T;
  requests(mix?: MixName): readonly RequestKind[];
  /** Of a fresh target like this one under this mix; found once in a command. */
  saturation(): Promise<Saturation>;
  /** Several at once run in a process each. */
  load(lanes: readonly LaneSpec[], options: LoadOptions): Promise<Run>;
  /** Now. */
  sample(): ProcessSample;
  samples(): readonly ProcessSample[];
  /** Another process of the scenario, for the table. */
  watch(name: string, pid: number): void;
  /** A line under the table. */
  note(text: string): void;
}
