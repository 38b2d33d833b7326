import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

export interface RunResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A child that is stopped when its owner is done with it, by its id and nothing else. */
export interface OwnedProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Resolves with the first match in standard output; rejects at the deadline or when the process ends before. */
  sees(pattern: RegExp, deadlineMs: number): Promise<RegExpExecArray>;
  /** Resolves with exit code, or null after a signal. */
  readonly ended: Promise<number | null>;
  /** SIGTERM, and SIGKILL when it does not end within 15 s. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

const stopMsMax = 15_000;
/** What is kept of each output for messages. */
const keptBytesMax = 1_024 * 1_024;

export function startProcess(command: string, args: readonly string[], options: SpawnOptions = {}): OwnedProcess {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    out = (out + text).slice(-keptBytesMax);
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    err = (err + text).slice(-keptBytesMax);
  });
  let over = false;
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code));
    child.once('error', (error) => {
      err += error.message;
      resolve(null);
    });
  }).finally(() => {
    over = true;
  });
  const kill = (signal: NodeJS.Signals) => void (over || child.kill(signal));
  const stop = async () => {
    kill('SIGTERM');
    const timer = setTimeout(() => kill('SIGKILL'), stopMsMax);
    await ended;
    clearTimeout(timer);
  };
  const name = `${command} ${args.join(' ')}`;
  const sees = (pattern: RegExp, deadlineMs: number) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        child.stdout!.off('data', look);
        settle();
      };
      const fail = (why: string) => finish(() => reject(new Error(`${name}: ${why}\n${out}${err}`)));
      const timer = setTimeout(() => fail(`no ${pattern} within ${deadlineMs} ms`), deadlineMs);
      const look = () => {
        const match = pattern.exec(out);
        if (match !== null) finish(() => resolve(match));
      };
      child.stdout!.on('data', look);
      void ended.then((code) => fail(`ended with ${code}`));
      look();
    });
  return {
    child,
    pid: child.pid ?? -1,
    stdout: () => out,
    stderr: () => err,
    sees,
    ended,
    stop,
    kill,
    [Symbol.asyncDispose]: stop,
  };
}

export interface RunOptions extends SpawnOptions {
  readonly input?: Uint8Array | string;
  /** Default 60 000. */
  readonly deadlineMs?: number;
}

/** Runs to the end; past its deadline the child is killed and the call rejects. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { input, deadlineMs = 60_000, ...spawnOptions } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...spawnOptions, stdio: ['pipe', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, deadlineMs);
    child.stdout.on('data', (bytes: Buffer) => stdout.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => stderr.push(bytes));
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      const errors = Buffer.concat(stderr).toString('utf8');
      if (late) reject(new Error(`${command} ${args.join(' ')} did not end within ${deadlineMs} ms\n${errors}`));
      else resolve({ code, stdout: Buffer.concat(stdout), stderr: errors });
    });
    // A child that leaves without reading its input is judged by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
