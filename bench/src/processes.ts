import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a program to its end; rejects with its output when it fails. */
export async function output(command: string, args: readonly string[], timeoutMs = 120_000): Promise<string> {
  const { stdout, stderr } = await run(command, [...args], { timeout: timeoutMs, maxBuffer: 16 * 1_024 * 1_024 });
  return stdout + stderr;
}

export async function installed(command: string): Promise<boolean> {
  return run('sh', ['-c', `command -v ${command}`]).then(
    () => true,
    () => false,
  );
}

/** Milliseconds that all threads of a process have had of a processor. */
export async function cpuMsOf(pid: number): Promise<number> {
  let sum = 0;
  for (const task of await readdir(`/proc/${pid}/task`)) {
    const [ns = ''] = (await readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8')).split(' ');
    sum += Number(ns) / 1e6;
  }
  return sum;
}

/** A child that is stopped by its pid when disposed. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Standard output so far. */
  stdout(): string;
}

export function start(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  let text = '';
  child.stdout?.on('data', (piece: Buffer) => {
    text += piece.toString();
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    child,
    stdout: () => text,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
    },
  };
}

/** Polls until `check` holds. */
export async function until(check: () => boolean | Promise<boolean>, what: string, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (performance.now() < end) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not happen within ${timeoutMs} ms`);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
