import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Observation } from './observer.ts';
import { treeRoot } from './tree-root.ts';

export interface NodeProcessOptions {
  /** Folder of a durable node; without it everything is in memory. */
  readonly persist?: string;
  /** Flags of the micronode, beside `--listen 127.0.0.1:0`. */
  readonly args?: readonly string[];
  /** Put in front of the command: `strace …`, `sh -c 'ulimit …; exec "$@"' sh`. */
  readonly wrapper?: readonly string[];
  /** Default 50 000. */
  readonly startTimeoutMs?: number;
  /**
   * Refuses calls for a late event loop by the defaults. Without it a thousand calls must wait for that: on a machine with other
   * work every loop is late, and a test that is not about pressure would get a 503 now and then.
   */
  readonly sheds?: boolean;
  /** Another program that prints the same two lines as a micronode, with all of its arguments. */
  readonly program?: readonly string[];
  /** What the owner of that program shows; it then prints where it listens on a line of its own, and nothing else is waited for. */
  readonly capability?: string;
  /** Lets `observe` look into the process. Not with a wrapper. */
  readonly observed?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A node as a user runs it, in a process of its own: authorisation, quota and metrics on. */
export interface NodeProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** `host:port` or `unix:PATH`, when it was asked to listen for OAP. */
  readonly oap: string | undefined;
  /** 0 without `--oap`. */
  readonly oapPort: number;
  /** The owner's. */
  readonly capability: string;
  readonly pid: number;
  readonly alive: boolean;
  readonly exited: Promise<Exit>;
  /** Everything written to standard error so far, and to standard output: at first what a person reads. */
  stderr(): string;
  stdout(): string;
  kill(signal: NodeJS.Signals): void;
  /** Collects its garbage and tells what is left; undefined without `observed`, or when it does not answer in 10 s. */
  observe(): Promise<Observation | undefined>;
  /** SIGTERM, and SIGKILL when it does not end within 15 s; the same as disposing it. */
  stop(): Promise<void>;
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

export const micronodeMain = join(treeRoot, 'profiles/micronode/dist/bundle/main.js');
/** Its flags are others; it prints the same lines. */
export const macronodeMain = join(treeRoot, 'profiles/macronode/dist/bundle/main.js');
const observerFile = fileURLToPath(new URL('./observer.ts', import.meta.url));
const logBytesMax = 64 * 1_024 * 1_024;
const observeMsMax = 10_000;
const stopMsMax = 15_000;

/** Starts the micronode profile on a free port and waits until it prints that it is ready. */
export async function startNodeProcess(options: NodeProcessOptions = {}): Promise<NodeProcess> {
  const child = spawnNode(options);
  const output = { stderr: '', stdout: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      if (output[name].length < logBytesMax) output[name] += text;
    });
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: -1, signal: null }));
  });
  const banner = await bannerOf(child, exited, () => output.stderr, options);
  const url = readyPattern(options).exec(banner)![1]!;
  const oap = /^OAP\/1 at (\S+)$/m.exec(banner)?.[1];
  const pid = options.wrapper === undefined ? child.pid! : nodePid(child.pid!);
  const isAlive = () => child.exitCode === null && child.signalCode === null;
  const stop = async () => {
    if (isAlive()) process.kill(pid, 'SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
    await exited;
    clearTimeout(timer);
  };
  return {
    url,
    port: Number(new URL(url).port),
    oap,
    oapPort: Number(/:(\d+)$/.exec(oap ?? '')?.[1] ?? 0),
    capability: options.capability ?? /RON_CAP=(\S+)/.exec(banner)![1]!,
    pid,
    exited,
    get alive() {
      return isAlive();
    },
    stderr: () => output.stderr,
    stdout: () => output.stdout,
    kill: (signal) => void process.kill(pid, signal),
    observe: async () => (options.observed === true && isAlive() ? await observationOf(child) : undefined),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The largest that the configuration takes for safe. */
const calm = ['gateway.pressure_queued_min=1024', 'gateway.pressure_queue_delay_ms=1000'];

function spawnNode({ persist, args = [], wrapper = [], program, observed, sheds }: NodeProcessOptions): ChildProcess {
  // Tests count what one request did, so no text of before it will do.
  const settings = ['server.metrics_per_second=1000', ...(sheds === true ? [] : calm)];
  const set = settings.flatMap((setting) => ['--set', setting]);
  // The flags of Node are those of `npm start`.
  const micronode = ['--max-semi-space-size=4', micronodeMain, '--listen', '127.0.0.1:0', ...set];
  const command = [
    ...wrapper,
    process.execPath,
    ...(observed === true ? ['--import', observerFile] : []),
    ...(program ?? micronode),
    ...(persist === undefined ? [] : ['--persist', persist]),
    ...args,
  ];
  return spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe', ...(observed === true ? (['ipc'] as const) : [])],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  });
}

function readyPattern({ capability }: NodeProcessOptions): RegExp {
  return capability === undefined ? /RON_NODE_URL=(\S+) RON_CAP=\S+\n/ : /^(https?:\/\/\S+)$/m;
}

function bannerOf(child: ChildProcess, exited: Promise<Exit>, stderr: () => string, options: NodeProcessOptions) {
  const timeoutMs = options.startTimeoutMs ?? 50_000;
  const ready = readyPattern(options);
  return new Promise<string>((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`not ready within ${timeoutMs} ms: ${text} ${stderr()}`));
    }, timeoutMs);
    child.stdout!.on('data', (piece: string) => {
      text += piece;
      if (!ready.test(text)) return;
      clearTimeout(timer);
      resolve(text);
    });
    void exited.then((exit) => {
      clearTimeout(timer);
      reject(new StartError(exit, stderr()));
    });
  });
}

function observationOf(child: ChildProcess): Promise<Observation | undefined> {
  return new Promise((resolve) => {
    const finish = (observation?: Observation) => {
      clearTimeout(timer);
      child.off('message', hear);
      child.off('exit', leave);
      resolve(observation);
    };
    const hear = (message: unknown) => finish(message as Observation);
    const leave = () => finish();
    const timer = setTimeout(finish, observeMsMax);
    child.on('message', hear);
    child.on('exit', leave);
    child.send('observe', () => undefined);
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

/** What the caller's shell says about its own node must not reach a node that a test starts. */
export function withoutNodeSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(RON_|NODE_OPTIONS$|VITEST)/.test(name)));
}
