import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { otherLoad } from './other-load.ts';
import { installed } from './processes.ts';
import { median, type Row } from './row.ts';
import { rows } from './rows/index.ts';
import { type Line, lineOf, printTable, verdictOf, writeJson } from './table.ts';

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
  if (missing.length > 0) return lineOf(row, '', undefined, `not measured: ${missing.join(', ')} not installed`);
  const before = await otherLoad();
  // Timers of a node keep no process alive, and some rows wait for nothing else.
  const awake = setInterval(() => undefined, 60_000);
  const folder = await mkdtemp(join(tmpdir(), 'ron-bench-'));
  try {
    const measured = await row.run({ rounds, secondsPerRound, folder });
    return lineOf(row, `${before} → ${await otherLoad()}`, measured, undefined);
  } catch (error) {
    return lineOf(row, before, undefined, `failed: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
  } finally {
    clearInterval(awake);
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
    const line = await measure(row);
    lines.push(line);
    // A long run that is cut off still leaves what it measured.
    const { measured, note } = line;
    const found = measured === undefined ? note : `${median(measured.ours)} ${measured.unit}, ${measured.evidence}`;
    console.error(`  ${found} ${verdictOf(line)} (load of others ${line.load})`);
  }
  printTable(lines);
  if (values.json !== undefined) await writeJson(values.json, lines, { rounds, secondsPerRound });
  if (lines.some(({ note }) => note?.startsWith('failed'))) process.exitCode = 1;
}
