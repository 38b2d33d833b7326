/** Three significant digits at most, thousands with commas. */
export function number(value: number): string {
  if (Number.isNaN(value)) return '–';
  const absolute = Math.abs(value);
  const digits = absolute >= 100 || value === 0 ? 0 : absolute >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

export function ms(value: number): string {
  return Number.isNaN(value) ? '–' : `${number(value)} ms`;
}

export function mebibytes(bytes: number): string {
  return `${number(bytes / 1_048_576)} MiB`;
}

export function percent(share: number): string {
  return Number.isNaN(share) ? '–' : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** `503 unavailable:inflight 1,204, 429 quota_exhausted:requests 12`, most frequent first. */
export function reasons(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return sorted.map(([reason, count]) => `${reason} ${number(count)}`).join(', ');
}

/** Columns as wide as they need to be; the first is text and the others are numbers. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
