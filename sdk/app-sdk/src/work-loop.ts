import { clientError, RonClientError } from './errors.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import type { Mailbox, MessageHandler, ProcessOptions, ReceivedMessage } from './mailbox.ts';
import { jitterMs, pause } from './retry.ts';
import type { Platform } from './transport.ts';

const concurrencyMax = 100;
const defaults = { concurrency: 1, visibilityMs: 30_000, waitMs: 20_000, drainMs: 30_000 } as const;
/** UTF-16 units of the reason of a nack; the contract's limit. */
const reasonMax = 256;

export interface WorkFields {
  readonly mailbox: Mailbox;
  readonly handler: MessageHandler;
  readonly options: ProcessOptions;
  readonly platform: Platform;
  readonly newKeeper: () => LeaseKeeper;
  /** Where the other one cannot start. */
  readonly inLoop: () => LeaseKeeper;
}

/** The loop behind `Mailbox.process`. */
export async function processMessages(fields: WorkFields): Promise<void> {
  const { options, newKeeper } = fields;
  const { concurrency = defaults.concurrency } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > concurrencyMax)
    throw clientError('bad_request', `concurrency is 1 to ${concurrencyMax}`, { corrId: '' });
  const keeper = options.keeper ?? newKeeper();
  try {
    // A lease must not run out while a keeper is still starting.
    await keeper.ready();
  } catch (thrown) {
    await keeper[Symbol.asyncDispose]();
    if (options.keeper !== undefined) throw thrown;
    options.onError?.(thrown);
    await using inLoop = fields.inLoop();
    return await new WorkLoop(fields, inLoop).run(concurrency);
  }
  try {
    await new WorkLoop(fields, keeper).run(concurrency);
  } finally {
    if (options.keeper === undefined) await keeper[Symbol.asyncDispose]();
  }
}

/** One message under way. */
interface Work {
  readonly message: ReceivedMessage;
  readonly controller: AbortController;
  /** Leads to no ack and no nack any more: the lease is lost, or was given back. */
  over: boolean;
  release(): void;
}

class WorkLoop {
  readonly #mailbox: Mailbox;
  readonly #handler: MessageHandler;
  readonly #options: ProcessOptions;
  readonly #platform: Platform;
  readonly #keeper: LeaseKeeper;
  readonly #visibilityMs: number;
  /** At most `concurrency`. */
  readonly #running = new Map<Work, Promise<void>>();
  /** Aborts when the loop shall receive no more: by its owner, or because it failed. */
  readonly #stop = new AbortController();
  /** Set while the loop waits for a handler to end, or for its own end. */
  #wake: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor({ mailbox, handler, options, platform }: WorkFields, keeper: LeaseKeeper) {
    this.#mailbox = mailbox;
    this.#handler = handler;
    this.#options = options;
    this.#platform = platform;
    this.#keeper = keeper;
    this.#visibilityMs = options.visibilityMs ?? defaults.visibilityMs;
  }

  async run(concurrency: number): Promise<void> {
    const { signal, drainMs = defaults.drainMs } = this.#options;
    const stop = () => this.#end(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await this.#receive(concurrency);
      await this.#drain(drainMs);
    } finally {
      signal.removeEventListener('abort', stop);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #receive(concurrency: number): Promise<void> {
    const { signal } = this.#stop;
    const { waitMs = defaults.waitMs } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      if (this.#running.size >= concurrency) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      try {
        const max = concurrency - this.#running.size;
        const messages = await this.#mailbox.recv({ max, waitMs, visibilityMs: this.#visibilityMs, signal });
        failures = 0;
        for (const message of messages) this.#start(message);
      } catch (thrown) {
        if (signal.aborted) return;
        if (!(thrown instanceof RonClientError)) return this.#fail(thrown);
        if (!thrown.retryable) return this.#fail(thrown);
        failures += 1;
        this.#tell(thrown);
        await this.#rest(Math.max(thrown.retryAfterMs ?? 0, jitterMs(this.#platform, failures)));
      }
    }
  }

  async #rest(delayMs: number): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return;
    // Its only failure is the signal, which the loop asks about anyway.
    await Promise.allSettled([pause({ platform: this.#platform, signal, corrId: '' }, delayMs)]);
  }

  #start(message: ReceivedMessage): void {
    const controller = new AbortController();
    const { box } = this.#mailbox;
    const lost = (reason: unknown) => {
      work.over = true;
      controller.abort(reason);
      const cause = { corrId: '', cause: reason };
      this.#tell(
        clientError('conflict', `the lease of ${message.id} is lost: its message comes again`, cause),
        message,
      );
    };
    const release = this.#keeper.keep({ box, lease: message.lease, visibilityMs: this.#visibilityMs }, lost);
    const work: Work = { message, controller, over: false, release };
    const done = this.#work(work)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        release();
        this.#running.delete(work);
        this.#wake?.();
      });
    this.#running.set(work, done);
  }

  async #work(work: Work): Promise<void> {
    const { message } = work;
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#handler(message, { signal: work.controller.signal });
    } catch (error) {
      failure = { error };
    }
    if (work.over) return;
    if (failure !== undefined) this.#tell(failure.error, message);
    try {
      if (failure === undefined) await this.#mailbox.ack(message.lease);
      else await this.#mailbox.nack(message.lease, { reason: reasonOf(failure.error) });
    } catch (thrown) {
      // The lease runs out by itself: the message comes again, here or elsewhere.
      if (!(thrown instanceof RonClientError)) throw thrown;
      if (!work.over) this.#tell(thrown, message);
    }
  }

  /** Waits for what runs, then gives the rest back at once, so that others need not wait for the leases. */
  async #drain(drainMs: number): Promise<void> {
    if (this.#running.size === 0) return;
    const late = Promise.withResolvers<void>();
    const timer = this.#platform.after(drainMs, late.resolve);
    await Promise.race([Promise.all(this.#running.values()), late.promise]);
    timer.cancel();
    const left = [...this.#running.keys()].filter(({ over }) => !over);
    if (left.length === 0) return;
    for (const work of left) {
      work.over = true;
      work.release();
      work.controller.abort(clientError('deadline_exceeded', 'the loop stops', { corrId: '' }));
    }
    const leases = left.map(({ message }) => message.lease);
    await this.#mailbox.nack(leases, { delayMs: 0, reason: 'the worker stopped' }).catch((error) => this.#tell(error));
  }

  #tell(error: unknown, message?: ReceivedMessage): void {
    try {
      this.#options.onError?.(error, message);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#end(error);
  }

  #end(reason: unknown): void {
    this.#stop.abort(reason);
    this.#wake?.();
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(0, reasonMax).toWellFormed();
}
