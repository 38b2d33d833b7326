export interface Series {
  readonly name: string;
  /** A name of the palette below. */
  readonly color: Color;
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  readonly title: string;
  /** With its unit. */
  readonly yLabel: string;
  readonly log?: boolean;
  readonly series: readonly Series[];
  /** A horizontal line, such as a bar that must not be passed. */
  readonly line?: { readonly at: number; readonly text: string };
}

export interface ChartOptions {
  readonly title: string;
  readonly subtitle: string;
  readonly xLabel: string;
  readonly xMax: number;
  readonly panels: readonly Panel[];
  /** Stretches with a name, such as the phases of a load. */
  readonly spans: readonly { readonly from: number; readonly to: number; readonly name: string }[];
}

/** Told apart by those who see colours differently, on light and on dark: after Okabe and Ito. */
const palette = {
  blue: ['#0072b2', '#56b4e9'],
  green: ['#007a5a', '#2fd6a4'],
  orange: ['#b85c00', '#ffa94d'],
  red: ['#c0392b', '#ff7b6b'],
  purple: ['#8e4a8b', '#e08fdc'],
  gray: ['#6b7280', '#9aa4b2'],
  gold: ['#8a6d00', '#f0e442'],
} as const;
export type Color = keyof typeof palette;
export const colors = Object.keys(palette) as Color[];

const width = 960;
const left = 84;
const right = 24;
const plotHeight = 190;
const panelGap = 86;
const top = 84;
const pointsMax = 1_200;

/** Hand-written SVG without script or outside resources; follows the reader's light or dark scheme. */
export function renderChart({ title, subtitle, xLabel, xMax, panels, spans }: ChartOptions): string {
  const height = top + panels.length * (plotHeight + panelGap) + 8;
  const x = (value: number) => left + (value / xMax) * (width - left - right);
  const parts = panels.map((panel, index) => {
    const y0 = top + index * (plotHeight + panelGap);
    return renderPanel(panel, { y0, x, xMax, spans, xLabel });
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12">
<title>${escapeXml(title)}</title>
<style>${styles()}</style>
<rect class="ground" width="${width}" height="${height}"/>
<text class="ink" x="${left}" y="28" font-size="17" font-weight="600">${escapeXml(title)}</text>
<text class="soft" x="${left}" y="47">${escapeXml(subtitle)}</text>
${parts.join('\n')}
</svg>
`;
}

interface Frame {
  readonly y0: number;
  readonly x: (value: number) => number;
  readonly xMax: number;
  readonly spans: ChartOptions['spans'];
  readonly xLabel: string;
}

function renderPanel(panel: Panel, { y0, x, xMax, spans, xLabel }: Frame): string {
  const values = panel.series.flatMap(({ points }) => points.map(([, y]) => y)).filter(isDrawn);
  if (panel.line !== undefined) values.push(panel.line.at);
  const scale = panel.log ? logScale(values) : linearScale(values);
  const y = (value: number) => y0 + plotHeight - scale.at(value) * plotHeight;
  const lines: string[] = [];
  for (const [index, { from, to, name }] of spans.entries()) {
    const [a, b] = [x(from), x(Math.min(to, xMax))];
    if (index % 2 === 1)
      lines.push(
        `<rect class="band" x="${a.toFixed(1)}" y="${y0}" width="${Math.max(0, b - a).toFixed(1)}" height="${plotHeight}"/>`,
      );
    if (b - a > 7 * name.length) {
      lines.push(
        `<text class="soft" x="${((a + b) / 2).toFixed(1)}" y="${y0 + 13}" text-anchor="middle" font-size="11">${escapeXml(name)}</text>`,
      );
    }
  }
  for (const tick of scale.ticks) {
    const at = y(tick).toFixed(1);
    lines.push(`<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/>`);
    lines.push(
      `<text class="soft" x="${left - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${tickText(tick)}</text>`,
    );
  }
  const base = y0 + plotHeight;
  for (const tick of linearTicks(xMax)) {
    const at = x(tick).toFixed(1);
    lines.push(`<line class="axis" x1="${at}" x2="${at}" y1="${base}" y2="${base + 4}"/>`);
    lines.push(`<text class="soft" x="${at}" y="${base + 17}" text-anchor="middle">${tickText(tick)}</text>`);
  }
  lines.push(`<line class="axis" x1="${left}" x2="${width - right}" y1="${base}" y2="${base}"/>`);
  lines.push(`<text class="soft" x="${width - right}" y="${base + 31}" text-anchor="end">${escapeXml(xLabel)}</text>`);
  lines.push(
    `<text class="soft" transform="translate(18 ${y0 + plotHeight / 2}) rotate(-90)" text-anchor="middle">${escapeXml(panel.yLabel)}</text>`,
  );
  if (panel.line !== undefined) {
    const at = y(panel.line.at).toFixed(1);
    lines.push(`<line class="limit" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/>`);
    lines.push(
      `<text class="limit-text" x="${width - right - 4}" y="${(y(panel.line.at) - 4).toFixed(1)}" text-anchor="end" font-size="11">${escapeXml(panel.line.text)}</text>`,
    );
  }
  for (const series of panel.series) lines.push(renderSeries(series, x, y, scale.floor));
  return `<g>\n<text class="ink" x="${left}" y="${y0 - 10}" font-weight="600">${escapeXml(panel.title)}</text>\n${renderLegend(panel.series, y0 - 10)}\n${lines.join('\n')}\n</g>`;
}

/** From the right, so that the title keeps its place. */
function renderLegend(series: readonly Series[], y: number): string {
  const parts: string[] = [];
  let at = width - right;
  for (const { name, color, dashed } of [...series].reverse()) {
    at -= 6.4 * name.length + 34;
    const dash = dashed ? ' stroke-dasharray="5 3"' : '';
    parts.push(`<line class="s-${color}" x1="${at}" x2="${at + 20}" y1="${y - 4}" y2="${y - 4}"${dash}/>`);
    parts.push(`<text class="ink" x="${at + 25}" y="${y}" font-size="11">${escapeXml(name)}</text>`);
  }
  return parts.join('\n');
}

function renderSeries(
  { points, color, dashed }: Series,
  x: (v: number) => number,
  y: (v: number) => number,
  floor: number,
) {
  let path = '';
  let pen = 'M';
  for (const [px, py] of thin(points)) {
    // A gap where nothing was measured.
    if (!isDrawn(py)) {
      pen = 'M';
      continue;
    }
    path += `${pen}${x(px).toFixed(1)} ${y(Math.max(floor, py)).toFixed(1)}`;
    pen = 'L';
  }
  return `<path class="s-${color}" d="${path === '' ? 'M0 0' : path}"${dashed ? ' stroke-dasharray="5 3"' : ''}/>`;
}

/** Of a long run the worst of each stretch, so that no peak disappears. */
function thin(points: Series['points']): Series['points'] {
  if (points.length <= pointsMax) return points;
  const each = Math.ceil(points.length / pointsMax);
  return Array.from({ length: Math.ceil(points.length / each) }, (_, index) => {
    const part = points.slice(index * each, (index + 1) * each);
    const known = part.filter(([, y]) => isDrawn(y));
    return known.length === 0 ? part[0]! : known.reduce((most, point) => (point[1] > most[1] ? point : most));
  });
}

/** What nobody measures would leave no room for the rest. */
const drawnMax = 1e12;
const isDrawn = (value: number) => Number.isFinite(value) && Math.abs(value) <= drawnMax;

interface Scale {
  /** 0 at the bottom, 1 at the top. */
  at(value: number): number;
  readonly ticks: readonly number[];
  readonly floor: number;
}

function linearScale(values: readonly number[]): Scale {
  const ticks = linearTicks(1.08 * Math.max(1e-9, ...values));
  const max = Math.max(ticks.at(-1)!, 1.08 * Math.max(1e-9, ...values));
  return { at: (value) => value / max, ticks, floor: 0 };
}

/** Beyond these the power itself is 0 or infinite, and no measurement of ours is anywhere near. */
const decadeMin = -300;
const decadeMax = 300;

function logScale(values: readonly number[]): Scale {
  const positive = values.filter((value) => value > 0);
  const low = Math.max(decadeMin, Math.floor(Math.log10(Math.min(1, ...positive))));
  const high = Math.min(decadeMax, Math.max(low + 1, Math.ceil(Math.log10(1.05 * Math.max(10, ...positive)))));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return { at: (value) => (Math.log10(value) - low) / (high - low), ticks, floor: 10 ** low };
}

/** Five or so round numbers from 0 to `max`. */
function linearTicks(max: number): number[] {
  const rough = max / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 5, 10].find((factor) => factor * unit >= rough) ?? 10);
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, index) => index * step);
}

function tickText(value: number): string {
  if (value >= 10_000) return `${Number((value / 1_000).toPrecision(4))}k`;
  return String(Number(value.toPrecision(6)));
}

function styles(): string {
  const of = (index: 0 | 1) =>
    Object.entries(palette)
      .map(([name, shades]) => `.s-${name}{stroke:${shades[index]}}`)
      .join('');
  return `path,line{fill:none;stroke-width:1.6}.grid{stroke-width:1}.limit{stroke-width:1.2;stroke-dasharray:2 3}
.ground{fill:#ffffff}.ink{fill:#1f2933}.soft{fill:#52606d}.grid{stroke:#e4e7eb}.axis{stroke:#9aa5b1;stroke-width:1}.band{fill:#f3f5f7}.limit{stroke:#c0392b}.limit-text{fill:#c0392b}${of(0)}
@media (prefers-color-scheme: dark){.ground{fill:#12171d}.ink{fill:#e6ebf0}.soft{fill:#a3afbd}.grid{stroke:#26303a}.axis{stroke:#5a6775}.band{fill:#1a212a}.limit{stroke:#ff7b6b}.limit-text{fill:#ff7b6b}${of(1)}}`;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Also drops what XML 1.0 cannot hold. */
function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => entities[char]!).replace(/\p{Cc}/gu, ' ');
}
