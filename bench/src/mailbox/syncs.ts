import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installed } from '../processes.ts';

/** Calls that come back when something is on stable storage. */
const calls = 'fdatasync,fsync,sync_file_range,syncfs,msync';
const attachMs = 10_000;

/** Counts the syncs of processes and of what they start while `work` runs. Undefined: strace is not installed. */
export async function countSyncs<T>(
  folder: string,
  pids: readonly number[],
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly syncs: number | undefined }> {
  if (!(await installed('strace'))) return { result: await work(), syncs: undefined };
  const table = join(folder, `syncs-${pids[0]}.txt`);
  const targets = pids.flatMap((pid) => ['-p', String(pid)]);
  const tracer = spawn('strace', ['-f', '-c', '-o', table, '-e', `trace=${calls}`, ...targets], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  const ended = new Promise<void>((resolve) => tracer.once('exit', () => resolve()));
  const attached = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`strace did not attach: ${said}`)), attachMs);
    tracer.stderr.on('data', (piece: Buffer) => {
      said += piece.toString();
      // Sessions of an earlier run may be ending: those are attached to in vain.
      if (pids.some((pid) => !new RegExp(`Process ${pid} attached|, ${pid}\\): No such process`).test(said))) return;
      clearTimeout(late);
      resolve();
    });
    tracer.once('exit', () => reject(new Error(`strace ended: ${said}`)));
  });
  try {
    await attached;
    const result = await work();
    tracer.kill('SIGINT');
    await ended;
    return { result, syncs: callsOf(await readFile(table, 'utf8')) };
  } finally {
    if (tracer.exitCode === null && tracer.signalCode === null) tracer.kill('SIGKILL');
    await ended;
  }
}

/** The column `calls` of strace's table, its total left out. */
export function callsOf(table: string): number {
  let sum = 0;
  for (const line of table.split('\n')) {
    const columns = line.trim().split(/\s+/);
    if (columns.length >= 5 && calls.split(',').includes(columns.at(-1)!)) sum += Number(columns[3]);
  }
  return sum;
}
