import { type ChildProcess, spawn } from 'node:child_process';
import { RonError } from '@ron/proto/errors';
import type { Gate } from '@ron/service';
import type { Facts, FromProcess, StartOrder, ToProcess } from '../process/messages.ts';
import { mergeLines } from './merged-log.ts';

export interface ChildOptions {
  readonly name: string;
  readonly role: string;
  readonly writeLog: (line: string) => void;
  readonly onGates: (gates: readonly Gate[]) => void;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The process said why it cannot start: three lines for a person. */
export class StartFailed extends Error {
  readonly text: string;
  readonly exitCode: number;

  constructor(text: string, exitCode: number) {
    super(text.split('\n')[0]);
    this.text = text;
    this.exitCode = exitCode;
  }
}

const here = import.meta.url;
/** Beside this file, as source or in the bundle. */
const entry = here.endsWith('.ts')
  ? new URL('../process/main.ts', here).pathname
  : new URL('./process.js', here).pathname;

/** One process of the node: spawned at once, so that its code is loaded when it is told to start. */
export class Child {
  readonly name: string;
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  readonly #loaded = Promise.withResolvers<void>();
  readonly #started = Promise.withResolvers<Facts>();
  readonly #asked = new Map<number, () => void>();
  #ids = 0;

  constructor({ name, role, writeLog, onGates }: ChildOptions) {
    this.name = name;
    this.#process = spawn(process.execPath, [...process.execArgv, entry, role], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Its configuration comes with its order; what the shell says to clients is none of its business.
      env: inherited(process.env),
    });
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      stream.setEncoding('utf8').on('data', mergeLines(name, writeLog));
    }
    this.exited = new Promise((resolve) => {
      this.#process.once('error', () => resolve({ code: null, signal: null }));
      this.#process.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.#process.on('message', (message) => this.#hear(message as FromProcess, onGates));
    void this.exited.then((exit) => this.#end(exit));
    // Whoever waits for them hears of it; nobody has to.
    this.#loaded.promise.catch(() => undefined);
    this.#started.promise.catch(() => undefined);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Resolves when its code is there. */
  get loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  /** Rejects with `StartFailed`, or with how it ended. */
  async start(order: StartOrder): Promise<Facts> {
    await this.loaded;
    this.#send(order);
    return this.#started.promise;
  }

  /** Resolves when it has done so, or is gone. */
  async pause(target: string, paused: boolean): Promise<void> {
    this.#ids += 1;
    const id = this.#ids;
    const done = new Promise<void>((resolve) => this.#asked.set(id, resolve));
    this.#send({ kind: paused ? 'pause' : 'resume', id, target });
    await Promise.race([done, this.exited]);
    this.#asked.delete(id);
  }

  tell(message: Extract<ToProcess, { kind: 'config' | 'cluster' }>): void {
    this.#send(message);
  }

  /** It drains and ends by itself; `kill` is for one that does not. */
  stop(): void {
    this.#send({ kind: 'stop' });
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #send(message: ToProcess): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  #hear(message: FromProcess, onGates: (gates: readonly Gate[]) => void): void {
    if (message.kind === 'loaded') this.#loaded.resolve();
    else if (message.kind === 'started') this.#started.resolve(message.facts);
    else if (message.kind === 'failed') this.#started.reject(new StartFailed(message.text, message.exitCode));
    else if (message.kind === 'gates') onGates(message.gates);
    else this.#asked.get(message.id)?.();
  }

  #end({ code, signal }: Exit): void {
    const error = new RonError('unavailable', `${this.name} ended with ${signal ?? code}`);
    this.#loaded.reject(error);
    this.#started.reject(error);
    for (const done of this.#asked.values()) done();
  }
}

function inherited(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('RON_')));
}
