import { Worker } from 'node:worker_threads';

/** A seed takes a second or so; one that takes this long on the wall hangs outside virtual time. */
const wallMsMax = 300_000;

interface Options {
  readonly seed: number;
  readonly trace?: ((line: string) => void) | undefined;
}

/** Runs seeds on threads: whatever their order, a seed's result is its own. */
export class SeedPool<O extends Options, R> implements AsyncDisposable {
  readonly #here: (options: O) => Promise<R>;
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  readonly #waiting: ((worker: Worker) => void)[] = [];

  /** `thread` answers each message of options with a result, as `here` does. */
  constructor(thread: URL, here: (options: O) => Promise<R>, threads: number) {
    this.#here = here;
    for (let count = 0; count < threads; count++) {
      const worker = new Worker(thread);
      this.#all.push(worker);
      this.#idle.push(worker);
    }
  }

  /** With a trace it runs here, where the trace can be written line by line. */
  async run(options: O): Promise<R> {
    if (options.trace !== undefined) return this.#here(options);
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

function ask<R>(worker: Worker, options: Options): Promise<R> {
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  const late = setTimeout(() => reject(new Error(`seed ${options.seed} hangs outside virtual time`)), wallMsMax);
  // A failure of another thread must not wait for this one.
  late.unref();
  worker.on('message', resolve);
  worker.on('error', reject);
  worker.postMessage(options);
  return promise.finally(() => {
    clearTimeout(late);
    worker.off('message', resolve);
    worker.off('error', reject);
  });
}
