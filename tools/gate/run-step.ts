import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/** One command of the gate: a JavaScript or TypeScript file run by the Node that runs the gate. */
export interface Step {
  readonly name: string;
  /** Relative to the root. A missing file is a failure: a check that is not there has not passed. */
  readonly script: string;
  readonly args: readonly string[];
  /** The step and everything it started are killed after this long. */
  readonly deadlineMs: number;
}

export interface StepResult {
  readonly name: string;
  readonly ok: boolean;
  readonly wallMs: number;
  /** Why it failed, in a few words. */
  readonly reason: string;
  /** What the step said it could not run, `<what>: <why>` each. */
  readonly cannotRun: readonly string[];
}

export interface StepOptions {
  readonly root: string;
  readonly write: (bytes: Uint8Array | string) => void;
}

/** Lines by which a step says that a part needs something this machine does not have. */
const cannotRunPattern = /^CANNOT RUN: (.+)$/;
const killGraceMs = 5_000;

const running = new Set<number>();

export async function runStep(step: Step, options: StepOptions): Promise<StepResult> {
  const started = performance.now();
  const done = (ok: boolean, reason: string, cannotRun: readonly string[] = []): StepResult => {
    return { name: step.name, ok, wallMs: performance.now() - started, reason, cannotRun };
  };
  if (!existsSync(join(options.root, step.script))) return done(false, `${step.script} does not exist`);
  const child = spawn(process.execPath, [step.script, ...step.args], {
    cwd: options.root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own process group, so that what it started dies with it.
    detached: true,
  });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  const collector = new LineCollector();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      options.write(bytes);
      collector.add(stream, bytes.toString('utf8'));
    });
  }
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    stopGroup(pid);
  }, step.deadlineMs);
  const code = await new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (exitCode, signal) => resolve(exitCode ?? signal ?? 'unknown'));
  });
  clearTimeout(deadline);
  if (pid !== undefined) {
    signalGroup(pid, 'SIGKILL');
    running.delete(pid);
  }
  const reason = late ? `past its deadline of ${step.deadlineMs / 1000} s` : code === 0 ? '' : `exit ${code}`;
  return done(reason === '', reason, collector.end());
}

/** For the gate's own SIGINT and SIGTERM: children have their own groups and do not get the terminal's signal. */
export function stopAll(): void {
  for (const pid of running) signalGroup(pid, 'SIGKILL');
}

function stopGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  setTimeout(() => {
    if (running.has(pid)) signalGroup(pid, 'SIGKILL');
  }, killGraceMs).unref();
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Finds whole lines in interleaved streams. */
class LineCollector {
  readonly #rest = new Map<object, string>();
  readonly #found: string[] = [];

  add(stream: object, text: string): void {
    const lines = ((this.#rest.get(stream) ?? '') + text).split('\n');
    this.#rest.set(stream, (lines.pop() ?? '').slice(-10_000));
    for (const line of lines) this.#look(line);
  }

  end(): readonly string[] {
    for (const rest of this.#rest.values()) this.#look(rest);
    return this.#found;
  }

  #look(line: string): void {
    const what = cannotRunPattern.exec(stripVTControlCharacters(line).trim())?.[1];
    if (what !== undefined && !this.#found.includes(what)) this.#found.push(what);
  }
}
