import type { Chart, ScenarioResult } from './scenario.ts';

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

const chartWidth = 640;
const chartHeight = 200;
const marginPx = 40;
const barsMax = 60;

/** One histogram below the other. */
export function svgOf(title: string, { charts }: ScenarioResult): string {
  const height = charts.length * (chartHeight + marginPx) + marginPx;
  const parts = charts.map((chart, row) => histogram(chart, marginPx + row * (chartHeight + marginPx)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${chartWidth + 2 * marginPx} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="100%" height="100%" fill="white"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function histogram({ title, unit, values }: Chart, top: number): string {
  const most = values.reduce((max, value) => Math.max(max, value), 0);
  const whole = values.every(Number.isInteger) && most < barsMax;
  const bars = whole ? most + 1 : barsMax;
  const counts = new Array<number>(bars).fill(0);
  for (const value of values) counts[Math.min(bars - 1, Math.floor((value / (whole ? bars : most || 1)) * bars))]! += 1;
  const highest = Math.max(...counts, 1);
  const width = chartWidth / bars;
  const floor = top + chartHeight - 30;
  const drawn = counts.map((count, index) => {
    const height = (count / highest) * (chartHeight - 60);
    const x = (marginPx + index * width).toFixed(1);
    return `<rect x="${x}" y="${(floor - height).toFixed(1)}" width="${(width * 0.9).toFixed(1)}" height="${height.toFixed(1)}" fill="#36c"/>`;
  });
  const end = whole ? bars - 1 : Math.round(most);
  return [
    `<text x="${marginPx}" y="${top + 14}">${title} (${values.length} values, the highest bar ${highest})</text>`,
    ...drawn,
    `<text x="${marginPx}" y="${floor + 16}">0</text>`,
    `<text x="${marginPx + chartWidth}" y="${floor + 16}" text-anchor="end">${end} ${unit}</text>`,
  ].join('\n');
}
