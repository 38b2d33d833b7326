import type { Attack } from './attack.ts';
import type { Finding, Judgement } from './judge.ts';

export interface Row {
  readonly attack: Attack;
  readonly said: string;
  readonly findings: readonly Finding[];
  /** Undefined for an attack that no good client watched. */
  readonly judgement: Judgement | undefined;
  readonly seconds: number;
}

const widths = [9, 62, 15, 9, 11, 6, 8] as const;

/** Of one attack. */
const findingsShown = 8;

export function printTitle(): void {
  print(['area', 'attack', 'p99 ms, before', 'turn ms', 'heap, fd', 's', 'verdict'], 'expected | seen');
}

/** One line: attack, expected, the good client's p99 (before → during), what is left of memory and descriptors, verdict, seen. */
export function printRow({ attack, said, findings, judgement, seconds }: Row): void {
  const { during, before, heapBytesLeft = 0, descriptorsLeft = 0 } = judgement ?? {};
  const p99 = during === undefined || before === undefined ? '-' : `${ms(during.p99Ms)} (${ms(before.p99Ms)})`;
  const left =
    judgement === undefined ? '-' : `${signed(Math.round(heapBytesLeft / 1_048_576))}M ${signed(descriptorsLeft)}`;
  const more = findings.length - findingsShown;
  const verdict = findings.length === 0 ? 'ok' : 'FAILED';
  const turn = judgement?.turnMs === undefined ? '-' : judgement.turnMs.toFixed(0);
  const last = `${attack.expected} | ${said}`;
  print([attack.area, attack.name, p99, turn, left, seconds.toFixed(1), verdict], last);
  for (const { rule, detail } of findings.slice(0, findingsShown)) process.stdout.write(`    ${rule}: ${detail}\n`);
  if (more > 0) process.stdout.write(`    and ${more} more\n`);
}

const ms = (value: number) => value.toFixed(1);
const signed = (value: number) => (value > 0 ? `+${value}` : String(value));

function print(cells: readonly string[], last: string): void {
  const padded = cells.map((cell, at) => `${cell.padEnd(widths[at]! - 1)} `);
  process.stdout.write(`${padded.join('')}${last}\n`);
}
