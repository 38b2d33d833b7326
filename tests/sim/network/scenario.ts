import { createSimRandom, type SimRandom, SimScheduler } from '@ron/kernel/sim';
import type { Static, TSchema } from 'typebox';
import { Check, Errors } from 'typebox/value';
import { Latency, LatencyPlan } from './latency.ts';
import { type LinkFault, LinkFaults, type LinkRates } from './link-faults.ts';
import { MessageNet } from './message-net.ts';
import { readScenario } from './scenario-files.ts';

export { readScenario } from './scenario-files.ts';

/** What the command line asks of a scenario; each wins over its file. */
export interface ScenarioArgs {
  readonly scenario: string;
  readonly seed: number;
  readonly nodes: number | undefined;
  readonly wire: boolean;
  readonly canary: string | undefined;
}

/** Something that must hold after a run. */
export interface Verdict {
  readonly name: string;
  readonly ok: boolean;
  readonly said: string;
}

/** Values of one thing that was measured, for a curve of their distribution. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly values: readonly number[];
}

export interface ScenarioResult {
  /** In the order in which they are printed. Names are stable: scripts read them. */
  readonly values: Readonly<Record<string, number | string>>;
  readonly verdicts: readonly Verdict[];
  readonly charts: readonly Chart[];
}

/** Runs a scenario of one kind; `file` is the parsed scenario file. */
export type RunScenario = (file: unknown, args: ScenarioArgs) => Promise<ScenarioResult>;

/** Throws `RangeError` with what is wrong in the file. */
export function checkedScenario<S extends TSchema>(schema: S, file: unknown): Static<S> {
  if (Check(schema, file)) return file as Static<S>;
  const [first] = Errors(schema, file);
  throw new RangeError(`the scenario file: ${first?.instancePath ?? ''} ${first?.message ?? 'is not one'}`);
}

/** Each fault that a run asks for has happened: by the rates of its links, and `others`. */
export function firedVerdicts(faults: LinkFaults, rates: LinkRates, others: readonly LinkFault[]): Verdict[] {
  const wanted = [...(['loss', 'duplicate', 'reorder'] as const).filter((fault) => (rates[fault] ?? 0) > 0), ...others];
  return wanted.map((fault) => {
    const count = faults.fired.get(fault) ?? 0;
    return { name: `fired_${fault}`, ok: count > 0, said: `${count}, at least once` };
  });
}

export interface SimulatedNetwork {
  readonly scheduler: SimScheduler;
  readonly random: SimRandom;
  readonly faults: LinkFaults;
  readonly latency: Latency;
  readonly net: MessageNet;
}

/** A network on a virtual time of its own; `latency` names a file in `scenarios/`. */
export function createNetwork(
  { seed, wire }: Pick<ScenarioArgs, 'seed' | 'wire'>,
  options: { readonly latency: string; readonly links?: LinkRates; readonly handshakeRoundTrips?: number },
): SimulatedNetwork {
  const scheduler = new SimScheduler();
  const random = createSimRandom(seed);
  const latency = new Latency(checkedScenario(LatencyPlan, readScenario(options.latency)));
  const faults = new LinkFaults(options.links ?? {}, random.fork('faults'));
  const { handshakeRoundTrips = 0 } = options;
  const net = new MessageNet({ scheduler, random, latency, faults, wire, handshakeRoundTrips });
  return { scheduler, random, faults, latency, net };
}
