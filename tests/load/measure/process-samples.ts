import { readFileSync } from 'node:fs';

export interface ProcessSample {
  /** Wall clock. */
  readonly atMs: number;
  /** Resident bytes of each process; absent when it is gone. */
  readonly rssBytes: Readonly<Record<string, number>>;
  /** CPU seconds of each process so far. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
  /** CPU seconds of the whole machine so far, idle time apart. */
  readonly machineBusySeconds: number;
}

/** Of Linux; `getconf CLK_TCK` says 100 on all supported architectures. */
const ticksPerSecond = 100;

/** RSS and CPU of named processes at a steady pace, from /proc; elsewhere the samples are empty. */
export class ProcessSamples implements Disposable {
  readonly samples: ProcessSample[] = [];
  readonly #pids: Map<string, number>;
  readonly #timer: NodeJS.Timeout;

  constructor(pids: Readonly<Record<string, number>>, everyMs: number) {
    this.#pids = new Map(Object.entries(pids));
    this.sample();
    this.#timer = setInterval(() => this.sample(), everyMs);
  }

  watch(name: string, pid: number): void {
    this.#pids.set(name, pid);
  }

  sample(): ProcessSample {
    const rssBytes: Record<string, number> = {};
    const cpuSeconds: Record<string, number> = {};
    for (const [name, pid] of this.#pids) {
      const status = readOrUndefined(`/proc/${pid}/status`);
      const rss = /VmRSS:\s+(\d+) kB/.exec(status ?? '')?.[1];
      const stat = readOrUndefined(`/proc/${pid}/stat`);
      if (rss === undefined || stat === undefined) continue;
      // The second field is a name in parentheses, which may hold spaces.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      rssBytes[name] = Number(rss) * 1_024;
      cpuSeconds[name] = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    }
    const sample = { atMs: Date.now(), rssBytes, cpuSeconds, machineBusySeconds: machineBusySeconds() };
    this.samples.push(sample);
    return sample;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

export function totalRss({ rssBytes }: ProcessSample, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (rssBytes[name] ?? 0), 0);
}

export interface CpuShares {
  /** Cores that were busy on average, by process. */
  readonly processes: Readonly<Record<string, number>>;
  /** Cores that were busy with anything else. */
  readonly others: number;
}

export function cpuShares(samples: readonly ProcessSample[]): CpuShares {
  const first = samples[0];
  const last = samples.at(-1);
  const seconds = first === undefined || last === undefined ? 0 : (last.atMs - first.atMs) / 1_000;
  if (first === undefined || last === undefined || seconds <= 0) return { processes: {}, others: 0 };
  const processes: Record<string, number> = {};
  for (const name of new Set(samples.flatMap(({ cpuSeconds }) => Object.keys(cpuSeconds)))) {
    const seen = samples.flatMap(({ cpuSeconds }) => cpuSeconds[name] ?? []);
    // What came back under the name of one that is gone starts at nothing.
    const spent = seen.slice(1).map((value, index) => (value >= seen[index]! ? value - seen[index]! : value));
    processes[name] = spent.reduce((sum, each) => sum + each, 0) / seconds;
  }
  const machine = (last.machineBusySeconds - first.machineBusySeconds) / seconds;
  const known = Object.values(processes).reduce((sum, cores) => sum + cores, 0);
  return { processes, others: Math.max(0, machine - known) };
}

function machineBusySeconds(): number {
  const [, line] = /^cpu +(.*)$/m.exec(readOrUndefined('/proc/stat') ?? '') ?? [];
  if (line === undefined) return 0;
  const columns = line.split(' ').map(Number);
  const all = columns.slice(0, 8).reduce((sum, each) => sum + each, 0);
  return (all - columns[3]! - columns[4]!) / ticksPerSecond;
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The process is gone, or this is not Linux.
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
