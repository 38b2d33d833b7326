import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { runLine } from '../run-line.ts';

/**
 * For `vi.setConfig`, where tests start processes: each begins with reading all of its source, and on a machine that is busy
 * with something else a few of them take more than the minute that other tests have.
 */
export const timeForProcesses = { testTimeout: 300_000, hookTimeout: 300_000 };

const launcher = join(import.meta.dirname, '..', '..', 'bin', 'ron.js');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
}

/** Starts the command as a user does, with nothing of this process's own node or capability in its environment. */
export function startRon(line: readonly string[], options: RunOptions = {}): ChildProcess {
  const { RON_NODE_URL: _url, RON_CAP: _cap, FORCE_COLOR: _color, ...env } = process.env;
  return spawn(process.execPath, [launcher, ...line], {
    env: { ...env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

export async function runRon(line: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = startRon(line, options);
  child.stdin!.end(options.input ?? '');
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
  return { code, stdout, stderr };
}

/** The same without a process of its own: streams that are no terminal, and no signals. */
export async function runHere(line: readonly string[], { env = {}, input = '' }: RunOptions = {}): Promise<Ran> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const texts = Promise.all([text(stdout), text(stderr)]);
  const stdin = Readable.from([Buffer.from(input)]);
  const code = await runLine(line, { stdin, stdout, stderr, env, signal: new AbortController().signal });
  stdout.end();
  stderr.end();
  const [out, err] = await texts;
  return { code, stdout: out, stderr: err };
}
