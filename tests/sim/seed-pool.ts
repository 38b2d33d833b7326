import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { runSeed, type SeedOptions, type SeedResult } from './run-seed.ts';
import { warmUp } from './warm-up.ts';

/** A seed takes a second or so; one that takes this long on the wall hangs outside virtual time. */
const wallMsMax = 40_000;

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
    if (options.trace !== undefined) {
      await warmUp();
      return runSeed(options);
    }
    const worker = this.#idle.pop() ?? (await new Promise<Worker>((resolve) => this.#waiting.push(resolve)));
    const result = await ask(worker, options);
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(worker);
    else next(worker);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.terminate()));
  }
}

function ask(worker: Worker, options: SeedOptions): Promise<SeedResult> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => finish(reject, new Error(`seed ${options.seed} hangs outside virtual time`)),
      wallMsMax,
    );
    // A failure of another thread must not wait for this one.
    late.unref();
    const onMessage = (result: SeedResult) => finish(resolve, result);
    const onError = (error: Error) => finish(reject, error);
    function finish<T>(settle: (value: T) => void, value: T): void {
      clearTimeout(late);
      worker.off('message', onMessage);
      worker.off('error', onError);
      settle(value);
    }
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.postMessage(options);
  });
}
