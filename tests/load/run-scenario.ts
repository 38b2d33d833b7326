import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadArgs } from './args.ts';
import { startTrivialServer } from './measure/ceiling.ts';
import { HealthProbe } from './measure/health-probe.ts';
import { cpuShares, ProcessSamples } from './measure/process-samples.ts';
import type { Saturation } from './measure/saturation.ts';
import { scenarioChart } from './report/scenario-chart.ts';
import { linesOf, scenarioReport } from './report/scenario-report.ts';
import type { Scenario, Verdict } from './scenario.ts';
import { LoadStage, type StageParts, saturate } from './stage.ts';
import type { MixName } from './target/mixes.ts';
import { startOmnigateTarget } from './target/omnigate-target.ts';
import { describeTarget, startNodeTarget, type Target } from './target/target.ts';
import { healthVerdict, healthzMsMax } from './verdicts.ts';

const sampleMs = 250;

/** Saturation of what was measured already, by target and mix. */
export type Known = Map<string, Promise<Saturation>>;

export interface Session {
  readonly args: LoadArgs;
  readonly folder: string;
  readonly known: Known;
  say(text: string): void;
}

export interface Finished {
  readonly verdicts: readonly Verdict[];
  readonly report: string;
}

export async function runScenario(scenario: Scenario, session: Session): Promise<Finished> {
  const { args, folder, known, say } = session;
  const mix = args.mix ?? scenario.mix;
  await using target = await openTarget(scenario, args);
  using processes = new ProcessSamples(target.pids, sampleMs);
  const saturation = () => {
    const key = `${scenario.through} ${mix}`;
    const found = known.get(key) ?? findOnce(scenario, mix, target, session);
    known.set(key, found);
    return found;
  };
  // Before health is probed: a search goes past saturation on purpose.
  if (scenario.saturates !== false) await saturation();
  using control = await startTrivialServer(2);
  using stage = new LoadStage({ ...stageParts(args, mix, target, processes), saturation });
  const fromMs = Date.now();
  processes.samples.length = 0;
  processes.sample();
  const health = new HealthProbe(`${target.url}/healthz`);
  const beside = new HealthProbe(control.url);
  const stopProbes = () => Promise.all([health.stop(), beside.stop()]);
  const own = await scenario.run(stage).catch(async (error) => {
    await stopProbes();
    throw error;
  });
  const [probed, idle] = await stopProbes();
  processes.sample();
  const toMs = Date.now();
  const verdicts = [...own, healthVerdict(probed, idle)];
  const input = { runs: stage.runs, health: probed, control: idle, samples: processes.samples, notes: stage.notes };
  const report = scenarioReport({ ...input, verdicts, serving: Object.keys(target.pids) });
  const subtitle = `mix ${mix}, seed ${args.seed}, ${args.arrivals} arrivals${args.quick ? ', quick' : ''}`;
  const chart = { ...input, title: scenario.name, subtitle, fromMs, toMs, healthBarMs: healthzMsMax };
  writeFileSync(join(folder, `${scenario.name}.svg`), scenarioChart(chart));
  const record = {
    scenario: scenario.name,
    mix,
    seed: args.seed,
    arrivals: args.arrivals,
    quick: args.quick,
    verdicts,
    lines: stage.runs.flatMap(linesOf),
    healthz: { worstMs: probed.times.maxMs, p99Ms: probed.times.percentileMs(99), failures: probed.failures },
    idleServer: { worstMs: idle.times.maxMs, p99Ms: idle.times.percentileMs(99) },
    cpuCores: cpuShares(processes.samples),
    runs: stage.runs.map(({ label, unfit, result: { timelines, startedAtMs } }) => ({
      label,
      unfit,
      startedAtMs,
      timelines,
    })),
    samples: processes.samples,
    notes: stage.notes,
  };
  writeFileSync(join(folder, `${scenario.name}.json`), `${JSON.stringify(record, undefined, 1)}\n`);
  say(report);
  return { verdicts, report };
}

/** On a target of its own: what a search writes and how it leaves the heap is not the scenario's. */
async function findOnce(scenario: Scenario, mix: MixName, given: Target, { args, say }: Session): Promise<Saturation> {
  if (args.saturation !== undefined) {
    const perSecond = args.saturation;
    return { perSecond, peakPerSecond: perSecond, steps: [], limitedBy: 'the highest rate' };
  }
  const own = args.url === undefined ? await openTarget(scenario, args) : undefined;
  await using _own = own;
  const target = own ?? given;
  using processes = new ProcessSamples(target.pids, sampleMs);
  const saturation = () => Promise.reject(new Error('a search does not search'));
  using stage = new LoadStage({ ...stageParts(args, mix, target, processes), saturation });
  say(`searching the saturation of ${scenario.through} under ${mix}`);
  let from = 0;
  const found = await saturate(stage, ({ offered, goodput, p99Ms, lost, unfit }) => {
    const { processes: cores, others } = cpuShares(processes.samples.slice(from));
    from = processes.samples.length;
    const busy = Object.entries(cores).map(([name, share]) => `${name} ${share.toFixed(2)}`);
    const why = [lost, unfit].filter(Boolean).map((text) => `; ${text}`);
    const found = `${Math.round(offered)}/s: goodput ${Math.round(goodput)}/s, p99 ${p99Ms.toFixed(1)} ms`;
    say(`  ${found}; cores: ${busy.join(', ')}, others ${others.toFixed(2)}${why.join('')}`);
  });
  say(
    `  saturation ${Math.round(found.perSecond)}/s, peak ${Math.round(found.peakPerSecond)}/s, limited by the ${found.limitedBy}`,
  );
  return found;
}

function stageParts(
  args: LoadArgs,
  mix: MixName,
  target: Target,
  processes: ProcessSamples,
): Omit<StageParts, 'saturation'> {
  const { quick, seed, arrivals, connections } = args;
  return { quick, seed, arrivals, connectionsMax: connections, mix, target, processes };
}

function openTarget(scenario: Scenario, args: LoadArgs): Promise<Target> {
  const { url, cap: capability, seed, persist } = args;
  if (url !== undefined) return describeTarget({ url, capability, pids: {}, seed }, async () => undefined);
  const options = { seed, persist, args: scenario.args ?? [] };
  if (scenario.through === 'omnigate') return startOmnigateTarget(options);
  return startNodeTarget(options);
}
