import type { Clock } from '@ron/kernel';
import type { Address } from '@ron/naming';
import type { BlobEngine, StoredObject } from './engine.ts';
import type { SteadyTime } from './steady-time.ts';

/** Who wants to know what is here, to tell others. Neither may throw. */
export interface Presence {
  /** After somebody put an object or wanted it back from the trash; again when it was here already. */
  readonly onStored: (address: Address) => void;
  /** After it went to the trash, was found damaged, or was dropped for good. */
  readonly onRemoved: (address: Address) => void;
}

/**
 * Keeps objects from collection for the grace time after they were stored or asked for, and brings them back from
 * the trash when they are wanted again. Memory: one entry for each object touched within the grace time.
 */
export class Holding {
  readonly #blobs: BlobEngine;
  readonly #clock: Clock;
  readonly #time: SteadyTime;
  readonly #graceMs: () => number;
  readonly #presence: Presence;
  /** Monotonic time of the last touch; oldest first. */
  readonly #touched = new Map<Address, number>();
  readonly #watchers = new Set<(address: Address) => void>();
  #fenceMs: number | undefined;

  constructor(blobs: BlobEngine, clock: Clock, time: SteadyTime, graceMs: () => number, presence: Presence) {
    this.#blobs = blobs;
    this.#clock = clock;
    this.#time = time;
    this.#graceMs = graceMs;
    this.#presence = presence;
  }

  /** Undefined when the object is not here or damaged. Otherwise it is live and kept for the grace time from now on. */
  async hold(address: Address): Promise<StoredObject | undefined> {
    const object = this.#blobs.stat(address);
    if (object === undefined || object.state === 'quarantined') return undefined;
    this.touch(object);
    if (object.state === 'live') return object;
    await this.#blobs.setState(address, 'live', this.#time.nowMs());
    this.#presence.onStored(address);
    return this.#blobs.stat(address);
  }

  /** Keeps without changing the state: a collection restores what it finds touched in the trash. */
  touch(object: StoredObject): void {
    // The engine's own string, so that no second copy of it lives here.
    this.#touched.delete(object.address);
    this.#touched.set(object.address, this.#clock.monotonicMs());
    this.#forgetOld();
    for (const watcher of this.#watchers) watcher(object.address);
  }

  /** Within the grace time, or touched since the running collection began. */
  isRecent(object: StoredObject): boolean {
    const graceMs = this.#graceMs();
    const touchedMs = this.#touched.get(object.address);
    if (touchedMs !== undefined) {
      if (this.#clock.monotonicMs() - touchedMs < graceMs) return true;
      if (this.#fenceMs !== undefined && touchedMs >= this.#fenceMs) return true;
    }
    return this.#time.nowMs() - object.createdMs < graceMs;
  }

  /**
   * From now until dispose every touched object is recent, whatever the grace time, and `onTouch` hears of it before
   * the touching call goes on.
   */
  fence(onTouch: (address: Address) => void): Disposable {
    if (this.#fenceMs !== undefined) throw new Error('one collection at a time');
    this.#fenceMs = this.#clock.monotonicMs();
    this.#watchers.add(onTouch);
    return {
      [Symbol.dispose]: () => {
        this.#fenceMs = undefined;
        this.#watchers.delete(onTouch);
      },
    };
  }

  #forgetOld(): void {
    const limitMs = Math.min(this.#clock.monotonicMs() - this.#graceMs(), this.#fenceMs ?? Number.POSITIVE_INFINITY);
    for (const [address, touchedMs] of this.#touched) {
      if (touchedMs >= limitMs) return;
      this.#touched.delete(address);
    }
  }
}
