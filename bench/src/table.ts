import { writeFile } from 'node:fs/promises';
import { type Measured, median, type Row, ratioOf } from './row.ts';

export interface Line {
  readonly id: string;
  readonly job: string;
  readonly anchor: string;
  readonly bar: number | undefined;
  readonly limit: number | undefined;
  /** What others did on the machine right before and after. */
  readonly load: string;
  readonly measured: Measured | undefined;
  readonly note: string | undefined;
}

export function lineOf(row: Row, load: string, measured: Measured | undefined, note: string | undefined): Line {
  const { id, job, anchor, bar, limit } = row;
  return { id, job, anchor, bar, limit, load, measured, note };
}

/** `pass`, `falls short`, or nothing where no bar is set. */
export function verdictOf({ bar, limit, measured }: Pick<Line, 'bar' | 'limit' | 'measured'>): string {
  if (measured === undefined) return '';
  const reached = median(measured.ours);
  if (limit !== undefined) return word(measured.higherIsBetter ? reached >= limit : reached <= limit);
  return bar === undefined || measured.anchor.length === 0 ? '' : word(ratioOf(measured) >= bar);
}

function word(met: boolean): string {
  return met ? 'pass' : 'falls short';
}

export function printTable(lines: readonly Line[]): void {
  console.log('| job | anchor | ours | anchor reached | ratio | bar | verdict | evidence | load of others |');
  console.log('|---|---|---:|---:|---:|---:|---|---|---|');
  for (const line of lines) {
    const { job, anchor, measured, note, load } = line;
    if (measured === undefined) {
      console.log(`| ${job} | ${anchor} | | | | ${barOf(line)} | | ${note} | ${load} |`);
      continue;
    }
    const ratio = measured.anchor.length === 0 ? '' : ratioOf(measured).toFixed(2);
    const reached = measured.anchor.length === 0 ? '' : amount(median(measured.anchor), measured.unit);
    const ours = amount(median(measured.ours), measured.unit);
    console.log(
      `| ${job} | ${anchor} | ${ours} | ${reached} | ${ratio} | ${barOf(line)} | ${verdictOf(line)} | ${measured.evidence} | ${load} |`,
    );
  }
}

function barOf({ bar, limit, measured }: Line): string {
  if (limit === undefined) return String(bar ?? '');
  return measured === undefined
    ? String(limit)
    : `${measured.higherIsBetter ? '≥' : '≤'} ${amount(limit, measured.unit)}`;
}

function amount(value: number, unit: string): string {
  const digits = value >= 100 ? 0 : value >= 1 ? 2 : 4;
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })} ${unit}`;
}

export async function writeJson(path: string, lines: readonly Line[], run: object): Promise<void> {
  await writeFile(path, `${JSON.stringify({ run, lines }, undefined, 2)}\n`);
}
