import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { colors, type Panel, renderChart } from './svg-chart.ts';

const chartOf = (panels: readonly Panel[], title = 't') =>
  renderChart({ title, subtitle: 's', xLabel: 'seconds', xMax: 10, panels, spans: [{ from: 0, to: 5, name: title }] });

/** Tags nest and end, attributes are quoted, text holds no bare mark: enough of XML for what is written here. */
function isWellFormed(text: string): boolean {
  const open: string[] = [];
  const rest = text.replace(
    /<(\/?)([a-z]+)((?: [a-zA-Z][a-zA-Z0-9:-]*="[^"<]*")*)(\/?)>/g,
    (_, end, name, _attributes, alone) => {
      if (end === '/') return open.pop() === name ? '' : '<';
      if (alone !== '/') open.push(name);
      return '';
    },
  );
  return open.length === 0 && !/[<>]/.test(rest) && !/&(?!(amp|lt|gt|quot);)/.test(rest);
}

const anyNumber = fc.oneof(fc.double(), fc.double({ min: 0, max: 1e6 }));
const anyPanel: fc.Arbitrary<Panel> = fc.record({
  title: fc.string({ unit: 'binary' }),
  yLabel: fc.string(),
  log: fc.boolean(),
  series: fc.array(
    fc.record({
      name: fc.string(),
      color: fc.constantFrom(...colors),
      points: fc.array(fc.tuple(fc.double({ min: 0, max: 10, noNaN: true }), anyNumber), { maxLength: 30 }),
    }),
    { maxLength: 3 },
  ),
});

describe('a chart', () => {
  it('takes the smallest and the largest number there is on a logarithmic axis', () => {
    const series = [{ name: '', color: colors[0]!, points: [[0, 5e-324] as const, [1, 1.7e308] as const] }];
    expect(chartOf([{ title: '', yLabel: '', log: true, series }])).not.toMatch(/NaN|Infinity/);
  });

  it('is well-formed whatever the names and numbers are, and holds no number that is none', () => {
    fc.assert(
      fc.property(fc.array(anyPanel, { maxLength: 3 }), fc.string({ unit: 'binary' }), (panels, title) => {
        const svg = chartOf(panels, title);
        expect(isWellFormed(svg)).toBe(true);
        expect(svg).not.toMatch(/(?:d|x|y|x1|x2|y1|y2|width|height)="[^"]*(?:NaN|Infinity)/);
      }),
    );
  });

  it('the check above finds what is not well-formed', () => {
    expect(isWellFormed('<g><line x1="1"/></g>')).toBe(true);
    for (const bad of ['<g>', '<g></a>', '<g>a < b</g>', '<g>a & b</g>', '<g x=1/>'])
      expect(isWellFormed(bad)).toBe(false);
  });

  it('names axes with their units, draws each series once, and leaves a gap where nothing was measured', () => {
    const points = [
      [0, 1],
      [1, 2],
      [2, Number.NaN],
      [3, 4],
      [4, 5],
    ] as const;
    const svg = chartOf([
      { title: 'Requests', yLabel: 'requests/s', series: [{ name: 'goodput', color: 'green', points }] },
    ]);
    expect(svg).toContain('requests/s');
    expect(svg).toContain('seconds');
    const [path] = svg.match(/<path class="s-green" d="[^"]+"/g) ?? [];
    expect(path?.match(/M/g)).toHaveLength(2);
  });

  it('keeps the highest point of a long run', () => {
    const points = Array.from({ length: 10_000 }, (_, index) => [index / 1_000, index === 4_321 ? 99 : 1] as const);
    const path = (list: typeof points) =>
      /d="([^"]+)"/.exec(
        chartOf([{ title: '', yLabel: '', series: [{ name: '', color: 'blue', points: list }] }]),
      )?.[1] ?? '';
    const heights = [...path(points).matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y));
    expect(heights.length).toBeLessThanOrEqual(1_200);
    expect(heights.filter((y) => y < Math.max(...heights))).toHaveLength(1);
  });

  it('is readable on dark ground as well', () => {
    expect(chartOf([])).toContain('prefers-color-scheme: dark');
  });
});
