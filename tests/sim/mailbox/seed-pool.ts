import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { runSeed, type SeedOptions, type SeedResult } from './run-seed.ts';

/** A seed takes some milliseconds; one that takes this long on the wall hangs outside virtual time. */
const wallMsMax = 30_000;

/** Runs seeds on up to two threads: whatever their order, a seed's result is its own. */
export class SeedPool implements AsyncDisposable {
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  readonly #waiting: ((worker: Worker) => void)[] = [];

  constructor(threads = Math.min(2, availableParallelism())) {
    for (let count = 0; count < threads; count++) {
      const worker = new Worker(new URL('./seed-thread.ts', import.meta.url));
      this.#all.push(worker);
      this.#idle.push(worker);
    }
  }

  /** With a trace it runs here, where the trace can be written line by line. */
  async run(options: SeedOptions): Promise<SeedResult> {
    if (options.trace !== undefined) return runSeed(options);
    const worker = this.#idle.pop() ?? (await new Promise<Worker>((resolve) => this.#waiting.push(resolve)));
    try {
      return await ask(worker, options);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(worker);
      else next(worker);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.terminate()));
  }
}

function ask(worker: Worker, options: SeedOptions): Promise<SeedResult> {
  const { promise, resolve, reject } = Promise.withResolvers<SeedResult>();
  const late = setTimeout(() => reject(new Error(`seed ${options.seed} hangs outside virtual time`)), wallMsMax);
  worker.on('message', resolve);
  worker.on('error', reject);
  worker.postMessage(options);
  return promise.finally(() => {
    clearTimeout(late);
    worker.off('message', resolve);
    worker.off('error', reject);
  });
}
