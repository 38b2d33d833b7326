import type { Log, Metrics } from '@ron/kernel';
import type { Address } from '@ron/naming';
import type { CopyEngines } from '@ron/svc-overlay/service';
import type { BlobEngine } from '@ron/svc-storage/service';

/** Damaged objects that wait; others are mended when they are asked for the next time or put again. */
const waitingMax = 1_000;
/** For one object: bytes are judged by their progress, and this ends what makes none worth waiting for. */
const mendMs = 3_600_000;

/** Gets objects whose stored bytes are damaged from other nodes, in the background and one after the other. */
export class Mender implements Disposable {
  readonly #blobs: Pick<BlobEngine, 'stat'>;
  readonly #fetch: CopyEngines['fetch'];
  readonly #log: Log;
  readonly #count: (outcome: 'mended' | 'failed') => void;
  readonly #after: (delayMs: number, task: () => void) => { cancel(): void };
  readonly #waiting = new Set<string>();
  readonly #stop = new AbortController();
  #isWorking = false;

  constructor(
    blobs: Pick<BlobEngine, 'stat'>,
    fetch: CopyEngines['fetch'],
    after: (delayMs: number, task: () => void) => { cancel(): void },
    log: Log,
    metrics: Metrics,
  ) {
    this.#blobs = blobs;
    this.#fetch = fetch;
    this.#after = after;
    this.#log = log;
    const mended = metrics.counter('storage_mended_total', 'Damaged objects that other nodes had', ['outcome']);
    this.#count = (outcome) => mended.labels({ outcome }).inc();
  }

  mend(address: string): void {
    if (this.#waiting.size >= waitingMax) return;
    this.#waiting.add(address);
    if (!this.#isWorking) void this.#work();
  }

  [Symbol.dispose](): void {
    this.#waiting.clear();
    this.#stop.abort(new Error('the node is stopping'));
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    for (const address of this.#waiting) {
      this.#waiting.delete(address);
      // Put again meanwhile.
      if (this.#blobs.stat(address as Address)?.state !== 'quarantined') continue;
      await this.#one(address);
    }
    this.#isWorking = false;
  }

  async #one(address: string): Promise<void> {
    const own = new AbortController();
    const end = () => own.abort(this.#stop.signal.reason);
    this.#stop.signal.addEventListener('abort', end, { once: true });
    const timer = this.#after(mendMs, () => own.abort(new Error('mending took too long')));
    try {
      await this.#fetch({ address, sources: [] }, own.signal);
      this.#count('mended');
      this.#log.info({ address }, 'a damaged object is whole again');
    } catch (err) {
      this.#count('failed');
      this.#log.warn({ err, address }, 'a damaged object stays damaged: no other node gave it');
    } finally {
      timer.cancel();
      this.#stop.signal.removeEventListener('abort', end);
    }
  }
}
