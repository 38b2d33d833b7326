import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { errorCode, SystemError } from '../env/system-error.ts';

/** The lock's name inside the folder that it guards. */
export const lockFileName = '.lock';

/** Who holds a lock. A pid alone is not enough: it is given out again after a while, and after a restart at once. */
interface Holder {
  readonly pid: number;
  /** Clock ticks from the machine's start to the process's (Linux); absent elsewhere. */
  readonly started?: string | undefined;
  /** Changes with every start of the machine (Linux). */
  readonly boot?: string | undefined;
}

const attemptsMax = 20;

export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const lock = `${folder}/${lockFileName}`;
  const own = `${lock}.${randomUUID()}`;
  const text = JSON.stringify({ pid: process.pid, started: startOf(process.pid), boot: bootId() } satisfies Holder);
  fs.writeFileSync(own, text, { mode: 0o600, flag: 'wx' });
  try {
    // A link is taken or refused in one step, and the file behind it is already whole.
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      try {
        fs.linkSync(own, lock);
        return { [Symbol.asyncDispose]: () => release(lock, text) };
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
      removeDead(lock, folder);
    }
  } finally {
    fs.rmSync(own, { force: true });
  }
  throw new SystemError('EBUSY', 'too many processes want this folder');
}

function removeDead(lock: string, folder: string): void {
  const seen = readOr(lock);
  if (seen === undefined) return;
  const holder = parseHolder(seen);
  if (holder !== undefined && isAlive(holder)) {
    throw new SystemError('EBUSY', `the folder is in use by process ${holder.pid}`);
  }
  // Two processes may find the same dead holder. Each moves what it finds to a name of its own; who moved a new lock puts it back.
  const moved = `${folder}/${lockFileName}.dead.${randomUUID()}`;
  try {
    fs.renameSync(lock, moved);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  if (readOr(moved) !== seen) {
    try {
      fs.linkSync(moved, lock);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
  fs.rmSync(moved, { force: true });
}

async function release(lock: string, text: string): Promise<void> {
  if (readOr(lock) === text) fs.rmSync(lock, { force: true });
}

function readOr(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined for what no holder wrote whole: only a power cut leaves that, so its holder is dead. */
function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    return typeof value?.pid === 'number' && Number.isInteger(value.pid) && value.pid > 0
      ? (value as Holder)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isAlive(holder: Holder): boolean {
  if (holder.boot !== undefined && holder.boot !== bootId()) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to someone else.
    if (errorCode(error) === 'ESRCH') return false;
  }
  return holder.started === undefined || holder.started === startOf(holder.pid);
}

/** Undefined for a zombie: it has a pid and holds nothing. */
function startOf(pid: number): string | undefined {
  const stat = procFile(`/proc/${pid}/stat`);
  // The command, in parentheses, may hold spaces and parentheses itself; the state (field 3) follows the last one.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' ? undefined : fields?.[19];
}

function bootId(): string | undefined {
  return procFile('/proc/sys/kernel/random/boot_id')?.trim();
}

function procFile(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return undefined; // Not Linux, or the process is gone: both mean that there is nothing to compare.
  }
}
