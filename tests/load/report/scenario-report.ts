import { Histogram } from '../generator/histogram.ts';
import type { ProbeResult } from '../measure/health-probe.ts';
import { cpuShares, type ProcessSample, totalRss } from '../measure/process-samples.ts';
import { type Summary, summarize } from '../measure/summary.ts';
import type { Run, Verdict } from '../scenario.ts';
import { mebibytes, ms, number, reasons, textTable } from './format.ts';

export interface ReportInput {
  readonly runs: readonly Run[];
  readonly verdicts: readonly Verdict[];
  readonly health: ProbeResult;
  readonly control: ProbeResult;
  readonly samples: readonly ProcessSample[];
  /** Names of the processes that serve. */
  readonly serving: readonly string[];
  readonly notes: readonly string[];
}

/** More lanes than this are told together. */
const lanesShownMax = 8;

interface Line {
  readonly name: string;
  readonly summary: Summary;
}

export function scenarioReport(input: ReportInput): string {
  const lines = input.runs.flatMap(linesOf);
  const head = ['', 'offered/s', 'goodput/s', 'late/s', 'refused/s', 'failed/s', 'p50', 'p99', 'p99.9'];
  const table = textTable([
    head,
    ...lines.map(({ name, summary: s }) => [
      name,
      ...[s.offered, s.goodput, s.late, s.refused, s.failed].map(number),
      ...[s.p50Ms, s.p99Ms, s.p999Ms].map(ms),
    ]),
  ]);
  return [
    table,
    ...lines.filter(({ name }) => !name.startsWith(' ')).flatMap(({ name, summary }) => notServed(name, summary)),
    healthLine(input.health, input.control),
    ...resourceLines(input),
    ...input.runs.flatMap(({ label, unfit }) => (unfit === undefined ? [] : [`generator      ${label}: ${unfit}`])),
    generatorLine(input.runs),
    ...input.notes,
    ...input.verdicts.map(verdictLine),
  ].join('\n');
}

export function verdictLine({ bar, found, met }: Verdict): string {
  const word = met === undefined ? 'NOT JUDGED' : met ? 'met' : 'MISSED';
  return `${word.padEnd(10)} ${bar}: ${found}`;
}

export function linesOf({ label, result }: Run): Line[] {
  const lanes = [...new Set(result.phases.map(({ lane }) => lane))];
  const phases = [...new Set(result.phases.map(({ phase }) => phase))];
  return phases.flatMap((phase) => {
    const inPhase = result.phases.filter((each) => each.phase === phase);
    const name = phase === label ? label : `${label}, ${phase}`;
    const all = { name, summary: summarize(inPhase) };
    if (lanes.length === 1 || lanes.length > lanesShownMax) return [all];
    const each = inPhase.map((one) => ({ name: `  ${one.lane}`, summary: summarize([one]) }));
    return [all, ...each];
  });
}

function notServed(name: string, { refusals, failures }: Summary): string[] {
  return [
    ...(Object.keys(refusals).length === 0 ? [] : [`refused        ${name}: ${reasons(refusals)}`]),
    ...(Object.keys(failures).length === 0 ? [] : [`failed         ${name}: ${reasons(failures)}`]),
  ];
}

function healthLine(health: ProbeResult, control: ProbeResult): string {
  const { times, failures } = health;
  const beside = `an idle server asked the same way: worst ${ms(control.times.maxMs)}, p99 ${ms(control.times.percentileMs(99))}`;
  return `healthz        worst ${ms(times.maxMs)}, p99 ${ms(times.percentileMs(99))} of ${times.total}, ${failures} failed; ${beside}`;
}

function resourceLines({ samples, serving }: ReportInput): string[] {
  const { processes, others } = cpuShares(samples);
  const cores = Object.entries(processes).map(([name, share]) => `${name} ${share.toFixed(2)}`);
  const cpu = `CPU, cores     ${cores.join(', ')}, everything else ${others.toFixed(2)}`;
  if (serving.length === 0 || samples.length === 0) return [cpu];
  const totals = samples.map((sample) => totalRss(sample, serving));
  const rss = `RSS            before ${mebibytes(totals[0]!)}, peak ${mebibytes(Math.max(...totals))}, after ${mebibytes(totals.at(-1)!)} (${serving.join(' + ')})`;
  return [rss, cpu];
}

/** How late the generators themselves were; it is part of the latencies above. */
function generatorLine(runs: readonly Run[]): string {
  const lag = new Histogram();
  let busy = 0;
  let connections = 0;
  for (const { result } of runs) {
    lag.add(Histogram.unpack(result.generator.lag));
    busy = Math.max(busy, result.generator.busy);
    connections = Math.max(connections, result.generator.connectionsPeak);
  }
  return `generator      own lag p50 ${ms(lag.percentileMs(50))}, p99 ${ms(lag.percentileMs(99))}, worst ${ms(lag.maxMs)}; busiest run ${Math.round(busy * 100)} %; at most ${connections} connections`;
}
