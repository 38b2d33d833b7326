import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installed } from './processes.ts';
import type { Row } from './row.ts';
import { rows } from './rows/index.ts';
import { type Line, lineOf, printTable, writeJson } from './table.ts';

/** Side-by-side benchmarks: each row measures us and its anchor in interleaved rounds of one run. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    json: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
const secondsPerRound = Number(values.seconds ?? (values.quick ? 1 : 4));

async function measure(row: Row): Promise<Line> {
  const missing: string[] = [];
  for (const program of row.needs) if (!(await installed(program))) missing.push(program);
  if (missing.length > 0) return lineOf(row, undefined, `not measured: ${missing.join(', ')} not installed`);
  const folder = await mkdtemp(join(tmpdir(), 'ron-bench-'));
  try {
    return lineOf(row, await row.run({ rounds, secondsPerRound, folder }), undefined);
  } catch (error) {
    return lineOf(row, undefined, `failed: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const chosen = rows.filter(({ id }) => positionals.length === 0 || positionals.some((word) => id.startsWith(word)));
if (values.list) {
  for (const { id, job } of rows) console.log(`${id.padEnd(16)} ${job}`);
} else {
  console.error(
    `${chosen.length} rows, ${rounds} rounds of ${secondsPerRound} s, ${cpus().length} cores, ${cpus()[0]?.model}`,
  );
  const lines: Line[] = [];
  for (const row of chosen) {
    console.error(`… ${row.job}`);
    lines.push(await measure(row));
  }
  printTable(lines);
  if (values.json !== undefined) await writeJson(values.json, lines, { rounds, secondsPerRound });
  if (lines.some(({ note }) => note?.startsWith('failed'))) process.exitCode = 1;
}
