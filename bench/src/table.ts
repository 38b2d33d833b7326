import { writeFile } from 'node:fs/promises';
import { type Measured, median, type Row, ratioOf } from './row.ts';

export interface Line {
  readonly id: string;
  readonly job: string;
  readonly anchor: string;
  readonly bar: number | undefined;
  readonly measured: Measured | undefined;
  readonly note: string | undefined;
}

export function lineOf(row: Row, measured: Measured | undefined, note: string | undefined): Line {
  return { id: row.id, job: row.job, anchor: row.anchor, bar: row.bar, measured, note };
}

export function printTable(lines: readonly Line[]): void {
  console.log('| job | anchor | ours | anchor reached | ratio | bar | evidence |');
  console.log('|---|---|---:|---:|---:|---:|---|');
  for (const { job, anchor, bar, measured, note } of lines) {
    if (measured === undefined) {
      console.log(`| ${job} | ${anchor} | | | | ${bar ?? ''} | ${note} |`);
      continue;
    }
    const ratio = measured.anchor.length === 0 ? '' : ratioOf(measured).toFixed(2);
    const reached = measured.anchor.length === 0 ? '' : amount(median(measured.anchor), measured.unit);
    console.log(
      `| ${job} | ${anchor} | ${amount(median(measured.ours), measured.unit)} | ${reached} | ${ratio} | ${bar ?? ''} | ${measured.evidence} |`,
    );
  }
}

function amount(value: number, unit: string): string {
  const digits = value >= 100 ? 0 : value >= 1 ? 2 : 4;
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })} ${unit}`;
}

export async function writeJson(path: string, lines: readonly Line[], run: object): Promise<void> {
  await writeFile(path, `${JSON.stringify({ run, lines }, undefined, 2)}\n`);
}
