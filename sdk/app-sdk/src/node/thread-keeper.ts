import { Worker } from 'node:worker_threads';
import type { KeptLease, LeaseKeeper } from '../lease-keeper.ts';

export interface ThreadKeeperOptions {
  readonly url: string;
  readonly capability: string | undefined;
}

/** What the thread is told; `data` of the worker are the options. */
export type KeeperRequest =
  | { readonly kind: 'keep'; readonly id: number; readonly lease: KeptLease }
  | { readonly kind: 'release'; readonly id: number };

/** What the thread says. */
export type KeeperNotice =
  | { readonly kind: 'ready' }
  | { readonly kind: 'lost'; readonly id: number; readonly reason: string };

/** Milliseconds that a thread gets to load its modules. */
const startMsMax = 60_000;

/**
 * Keeps leases from a thread with connections of its own, so that a handler may block the event loop. The thread ends
 * with the keeper and keeps no process alive. `ready` rejects where it cannot start, as in a bundle without its file.
 */
export function createThreadKeeper(options: ThreadKeeperOptions): LeaseKeeper {
  return new ThreadKeeper(options);
}

class ThreadKeeper implements LeaseKeeper {
  readonly #worker: Worker;
  readonly #started = Promise.withResolvers<void>();
  /** At most as many as handlers run. */
  readonly #held = new Map<number, (reason: unknown) => void>();
  readonly #exit: Promise<unknown>;
  #lastId = 0;
  #failure: Error | undefined;

  constructor({ url, capability }: ThreadKeeperOptions) {
    // Beside this file: source is TypeScript, what was compiled from it is not.
    const file = import.meta.url.endsWith('.ts') ? './keeper-thread.ts' : './keeper-thread.js';
    this.#worker = new Worker(new URL(file, import.meta.url), {
      workerData: { url, capability },
      name: 'lease-keeper',
      // A process that was started with `--eval` hands on what it says about its own text, and no file loads with that.
      ...(process.execArgv.some((flag) => flag.startsWith('--input-type')) ? { execArgv: [] } : {}),
    });
    this.#worker.on('message', (notice: KeeperNotice) => this.#hear(notice));
    this.#worker.on('error', (cause) => this.#fail(new Error('the thread that keeps leases failed', { cause })));
    this.#exit = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#worker.once('exit', () => this.#fail(new Error('the thread that keeps leases has ended')));
    this.#worker.unref();
    // Whoever never asks whether it is ready must not be ended by its failure.
    this.#started.promise.catch(() => undefined);
  }

  async ready(): Promise<void> {
    const timer = setTimeout(() => this.#fail(new Error(`no thread within ${startMsMax} ms`)), startMsMax);
    try {
      // This timer holds the process, which the thread does not.
      await this.#started.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  keep(lease: KeptLease, onLost: (reason: unknown) => void): () => void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#lastId += 1;
    const id = this.#lastId;
    this.#held.set(id, onLost);
    this.#tell({ kind: 'keep', id, lease });
    return () => {
      if (this.#held.delete(id)) this.#tell({ kind: 'release', id });
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held.clear();
    await this.#worker.terminate();
    await this.#exit;
  }

  #tell(request: KeeperRequest): void {
    this.#worker.postMessage(request);
  }

  #hear(notice: KeeperNotice): void {
    if (notice.kind === 'ready') this.#started.resolve();
    else this.#lose(notice.id, new Error(notice.reason));
  }

  #lose(id: number, reason: unknown): void {
    const onLost = this.#held.get(id);
    this.#held.delete(id);
    onLost?.(reason);
  }

  /** Without a thread nobody extends: the handlers must know, before others get their messages. */
  #fail(error: Error): void {
    this.#failure ??= error;
    this.#started.reject(error);
    for (const id of [...this.#held.keys()]) this.#lose(id, error);
  }
}
