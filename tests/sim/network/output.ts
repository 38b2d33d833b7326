import { type Panel, renderChart } from '../../support/svg-chart.ts';
import type { ScenarioResult } from './scenario.ts';

export function tableOf({ values, verdicts }: ScenarioResult): string {
  const width = Math.max(...Object.keys(values).map((name) => name.length), 0);
  const lines = Object.entries(values).map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  for (const { name, ok, said } of verdicts) lines.push(`${ok ? 'ok  ' : 'FAIL'} ${name}: ${said}`);
  return `${lines.join('\n')}\n`;
}

export function jsonOf({ values, verdicts }: ScenarioResult): string {
  const failed = verdicts.filter(({ ok }) => !ok).map(({ name }) => name);
  return `${JSON.stringify({ ...values, ok: failed.length === 0, failed })}\n`;
}

/** Points of a curve: one each half per cent. */
const curvePoints = 200;

/** One panel below the other: which share of the values is at most so large. */
export function svgOf(title: string, { charts }: ScenarioResult): string {
  const panels = charts.map(
    ({ title: name, unit, values }): Panel => ({
      title: `${name} (${values.length} values)`,
      yLabel: unit,
      series: [{ name: unit, color: 'blue', points: curveOf(values) }],
    }),
  );
  return renderChart({ title, subtitle: '', xLabel: '% of the values', xMax: 100, panels, spans: [] });
}

function curveOf(values: readonly number[]): [number, number][] {
  const sorted = values.toSorted((a, b) => a - b);
  if (sorted.length === 0) return [];
  return Array.from({ length: curvePoints + 1 }, (_, index) => {
    const share = index / curvePoints;
    return [100 * share, sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!];
  });
}
