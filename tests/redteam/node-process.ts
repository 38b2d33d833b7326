import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface NodeProcessOptions {
  /** Flags of the micronode, beside `--listen 127.0.0.1:0`. */
  readonly args?: readonly string[];
  /** Put in front of the command: `strace …`, `sh -c 'ulimit …; exec "$@"' sh`. */
  readonly wrapper?: readonly string[];
  readonly startTimeoutMs?: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A micronode in a process of its own, ready to be used and to be maltreated. */
export interface NodeProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** 0 without `--oap`. */
  readonly oapPort: number;
  readonly capability: string;
  readonly pid: number;
  readonly alive: boolean;
  readonly exited: Promise<Exit>;
  /** Everything written to standard error so far. */
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
}

/** The node ended before it was ready. */
export class StartError extends Error {
  readonly exit: Exit;
  readonly stderr: string;

  constructor(exit: Exit, stderr: string) {
    super(`the node ended with ${exit.code ?? exit.signal} before it was ready: ${stderr.slice(0, 2_000)}`);
    this.exit = exit;
    this.stderr = stderr;
  }
}

const main = fileURLToPath(new URL('../../profiles/micronode/dist/bundle/main.js', import.meta.url));
const logBytesMax = 64 * 1_024 * 1_024;

export async function startNodeProcess(options: NodeProcessOptions = {}): Promise<NodeProcess> {
  const command = [
    ...(options.wrapper ?? []),
    process.execPath,
    '--max-semi-space-size=4',
    main,
    '--listen',
    '127.0.0.1:0',
    ...(options.args ?? []),
  ];
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  });
  let stderr = '';
  child.stderr!.setEncoding('utf8');
  child.stderr!.on('data', (text: string) => {
    if (stderr.length < logBytesMax) stderr += text;
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: -1, signal: null }));
  });
  const banner = await bannerOf(child, exited, () => stderr, options.startTimeoutMs ?? 30_000);
  const url = /RON_NODE_URL=(\S+)/.exec(banner)![1]!;
  const pid = options.wrapper === undefined ? child.pid! : nodePid(child.pid!);
  return {
    url,
    port: Number(new URL(url).port),
    oapPort: Number(/OAP\/1 at .*:(\d+)/.exec(banner)?.[1] ?? 0),
    capability: /RON_CAP=(\S+)/.exec(banner)![1]!,
    pid,
    exited,
    get alive() {
      return child.exitCode === null && child.signalCode === null;
    },
    stderr: () => stderr,
    kill: (signal) => void process.kill(pid, signal),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) process.kill(pid, 'SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await exited;
      clearTimeout(timer);
    },
  };
}

function bannerOf(child: ChildProcess, exited: Promise<Exit>, stderr: () => string, timeoutMs: number) {
  return new Promise<string>((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`not ready within ${timeoutMs} ms: ${text} ${stderr()}`));
    }, timeoutMs);
    child.stdout!.setEncoding('utf8');
    child.stdout!.on('data', (piece: string) => {
      text += piece;
      if (!/RON_CAP=\S+\n/.test(text)) return;
      clearTimeout(timer);
      resolve(text);
    });
    void exited.then((exit) => {
      clearTimeout(timer);
      reject(new StartError(exit, stderr()));
    });
  });
}

/** A wrapper like strace is the parent of the node; `sh -c exec` is the node itself. */
function nodePid(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return children.length === 1 ? Number(children[0]) : pid;
}

/** Open descriptors of a process; Linux only, undefined elsewhere. */
export function openDescriptors(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Resident bytes of a process; Linux only. */
export function residentBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1_024;
}
