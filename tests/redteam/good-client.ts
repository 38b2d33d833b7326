import { Worker } from 'node:worker_threads';

export type Phase = 'before' | 'during' | 'after';

/** What a well-behaved client went through. Times in milliseconds. */
export interface Service {
  readonly asked: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were not the object, by what came instead. */
  readonly failures: readonly string[];
  /** 503 with a time to come back, for want of capacity: polite, but only so often. */
  readonly shed: number;
  /** p99 of the same client at a bare server that nobody attacks: what slows both is the machine. */
  readonly machineP99Ms: number;
}

export interface GoodTarget {
  /** Over TLS, with whatever certificate. */
  readonly secure: boolean;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body that must come. */
  readonly expected: string;
}

export type ToThread = { readonly phase: Phase } | { readonly report: Phase; readonly askedMin: number };

/**
 * A well-behaved client in a thread of its own, with an address of its own: it reads the same object on one connection,
 * from its start until it is disposed, and remembers each phase apart.
 */
export class GoodClient implements AsyncDisposable {
  readonly #worker: Worker;

  constructor(target: GoodTarget) {
    // Who attacks comes from 127.0.0.1 and uses up what one address may have.
    const localAddress = process.platform === 'linux' ? '127.0.0.77' : undefined;
    this.#worker = new Worker(new URL('./good-client-thread.ts', import.meta.url), {
      workerData: { ...target, localAddress },
    });
  }

  enter(phase: Phase): void {
    this.#worker.postMessage({ phase } satisfies ToThread);
  }

  /** Of one phase, as soon as that phase has so many answers. */
  report(phase: Phase, askedMin: number): Promise<Service> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        this.#worker.off('message', hear);
        this.#worker.off('error', fail);
        then();
      };
      const hear = (service: Service) => settle(() => resolve(service));
      const fail = (error: Error) => settle(() => reject(error));
      this.#worker.on('message', hear);
      this.#worker.on('error', fail);
      this.#worker.postMessage({ report: phase, askedMin } satisfies ToThread);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
