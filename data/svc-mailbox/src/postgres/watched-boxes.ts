import type { Clock, Timer } from '@ron/kernel';
import type { BoxKey } from '../state/command.ts';

/** What a look at a box shows. */
export interface BoxLook {
  /** Messages that can be leased now, up to the limit that was given. */
  readonly offered: number;
  /** Milliseconds until time changes something; undefined: nothing is due ever. */
  readonly nextMs: number | undefined;
  /** The place of the last message that is alive; 0: none. */
  readonly lastOrder: number;
}

export type LookAtBox = (key: BoxKey, limit: number) => Promise<BoxLook>;

interface Watched {
  readonly key: BoxKey;
  readonly leasing: Set<() => void>;
  readonly peeking: Set<() => void>;
  lastOrder: number | undefined;
  timer: Timer | undefined;
  looking: boolean;
  /** Something happened while it was looked at. */
  again: boolean;
}

/** A box with watchers is looked at so often although nobody said that it changed: hints may be lost. */
const pollMs = 5_000;

/** Who waits for which box, the box itself need not exist. Bounded by the calls in flight: each waits for one box. */
export class WatchedBoxes {
  readonly #clock: Clock;
  readonly #lookAt: LookAtBox;
  readonly #boxes = new Map<string, Watched>();
  #closed = false;

  constructor(clock: Clock, lookAt: LookAtBox) {
    this.#clock = clock;
    this.#lookAt = lookAt;
  }

  watch(key: BoxKey, wake: () => void, peek: boolean): Disposable {
    const watched = this.#boxes.get(nameOf(key)) ?? {
      key,
      leasing: new Set(),
      peeking: new Set(),
      lastOrder: undefined,
      timer: undefined,
      looking: false,
      again: false,
    };
    this.#boxes.set(nameOf(key), watched);
    const set = peek ? watched.peeking : watched.leasing;
    // The same function twice is two watchers.
    const watcher = () => wake();
    set.add(watcher);
    void this.#look(watched, false);
    return {
      [Symbol.dispose]: () => {
        set.delete(watcher);
        this.#forgetIfUnwatched(watched);
      },
    };
  }

  /** Something may have come to the box. */
  changed(key: BoxKey): void {
    const watched = this.#boxes.get(nameOf(key));
    if (watched !== undefined) void this.#look(watched, false);
  }

  /** Names as `nameOf` makes them; undefined: any of them. */
  heard(names: readonly string[] | undefined): void {
    for (const name of names ?? [...this.#boxes.keys()]) {
      const watched = this.#boxes.get(name);
      if (watched !== undefined) void this.#look(watched, false);
    }
  }

  /** Wakes everybody: nothing comes any more. */
  close(): void {
    this.#closed = true;
    for (const watched of [...this.#boxes.values()]) {
      watched.timer?.cancel();
      wakeSome(watched.leasing, watched.leasing.size);
      wakeSome(watched.peeking, watched.peeking.size);
    }
    this.#boxes.clear();
  }

  async #look(watched: Watched, isPoll: boolean): Promise<void> {
    if (watched.looking || this.#closed) {
      watched.again = true;
      return;
    }
    watched.looking = true;
    watched.timer?.cancel();
    let nextMs = pollMs;
    do {
      watched.again = false;
      const seen = await this.#lookAt(watched.key, watched.leasing.size).catch(() => undefined);
      // While the database is away, the next poll tells.
      if (seen === undefined) continue;
      const isNew = watched.lastOrder !== undefined && seen.lastOrder > watched.lastOrder;
      watched.lastOrder = seen.lastOrder;
      wakeSome(watched.leasing, seen.offered);
      // What came between a look of their own and this one is found at the next poll.
      if (isNew || isPoll) wakeSome(watched.peeking, watched.peeking.size);
      nextMs = Math.min(pollMs, Math.max(1, seen.nextMs ?? pollMs));
    } while (watched.again && !this.#closed);
    watched.looking = false;
    if (this.#closed || this.#forgetIfUnwatched(watched)) return;
    watched.timer = this.#clock.after(nextMs, () => void this.#look(watched, nextMs === pollMs));
  }

  #forgetIfUnwatched(watched: Watched): boolean {
    if (watched.leasing.size + watched.peeking.size > 0) return false;
    watched.timer?.cancel();
    if (this.#boxes.get(nameOf(watched.key)) === watched) this.#boxes.delete(nameOf(watched.key));
    return true;
  }
}

/** Both names can hold no line break. */
export function nameOf({ tenant, box }: BoxKey): string {
  return `${tenant}\n${box}`;
}

/** Those that came first; not those that join while the others are told. */
function wakeSome(watchers: Set<() => void>, count: number): void {
  let left = Math.min(count, watchers.size);
  for (const watcher of watchers) {
    if (left <= 0) return;
    left -= 1;
    watchers.delete(watcher);
    watcher();
  }
}
