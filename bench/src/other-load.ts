import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const windowMs = 500;

/** How much of all cores is busy while the benchmark itself does nothing: `12 %`. */
export async function otherLoad(): Promise<string> {
  const before = await ticks();
  if (before === undefined) return 'unknown';
  await sleep(windowMs);
  const after = (await ticks())!;
  const all = after.all - before.all;
  return all === 0 ? 'unknown' : `${Math.round((100 * (after.busy - before.busy)) / all)} %`;
}

/** The first line of /proc/stat; undefined where there is none. Waiting for a disk is not being busy. */
async function ticks(): Promise<{ readonly all: number; readonly busy: number } | undefined> {
  const text = await readFile('/proc/stat', 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const [, line] = /^cpu +(.*)$/m.exec(text ?? '') ?? [];
  if (line === undefined) return undefined;
  const columns = line.split(' ').map(Number);
  const all = columns.slice(0, 8).reduce((sum, each) => sum + each, 0);
  return { all, busy: all - columns[3]! - columns[4]! };
}
