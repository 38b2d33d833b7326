import type { Clock, Log, Random, Timer } from '@ron/kernel';
import type { Collected, Collector } from './collector.ts';
import type { StorageMeters } from './meters.ts';

export interface AutoCollectionPorts {
  readonly collector: Pick<Collector, 'collect' | 'isRunning'>;
  readonly meters: Pick<StorageMeters, 'collected'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Milliseconds between two collections, ±10 %; 0 for never. */
  readonly everyMs: () => number;
  readonly stop: AbortSignal;
}

/**
 * Collects from time to time. The times are scattered, so that the nodes of a fleet that began together do not all read
 * their indexes at once. A turn that finds a collection running is skipped.
 */
export class AutoCollection implements Disposable {
  readonly #ports: AutoCollectionPorts;
  #timer: Timer | undefined;
  #ended = false;

  constructor(ports: AutoCollectionPorts) {
    this.#ports = ports;
    this.reschedule();
  }

  /** After a change of the period: the wait begins anew. */
  reschedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const everyMs = this.#ports.everyMs();
    if (this.#ended || everyMs === 0) return;
    const delayMs = Math.round(everyMs * (0.9 + 0.2 * this.#ports.random.unit()));
    this.#timer = this.#ports.clock.after(delayMs, () => void this.#turn());
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  async #turn(): Promise<void> {
    const { collector, log, meters, stop } = this.#ports;
    try {
      if (collector.isRunning) {
        log.info({}, 'collection skipped: one is running');
        return;
      }
      const collected = await collector.collect(false, undefined, stop);
      meters.collected('done', collected.trashed, collected.purged, collected.purged_bytes);
      log.info(summaryOf(collected), 'collected what nobody holds');
    } catch (error) {
      if (this.#ended || stop.aborted) return;
      meters.collected('failed', 0, 0, 0);
      log.warn({ err: error }, 'the collection failed; nothing that is held was touched');
    } finally {
      this.reschedule();
    }
  }
}

function summaryOf({ sample: _addresses, ...counts }: Collected): Omit<Collected, 'sample'> {
  return counts;
}
