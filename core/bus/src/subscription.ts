import { Ring } from './ring.ts';

/** Stands in the stream where events were given up because the reader was slow. */
export interface Lost {
  readonly type: 'Lost';
  readonly lost: number;
}

/** One reader. Iterate it once; disposing it (or leaving the loop) ends it. */
export interface Subscription<E> extends AsyncIterable<E | Lost>, Disposable {
  /** Events that wait for the reader, at most the capacity. */
  readonly pending: number;
  /** Events that this reader has lost so far. */
  readonly dropped: number;
}

type Step<E> = IteratorResult<E | Lost, undefined>;
const ended: Step<never> = { done: true, value: undefined };

export class RingSubscription<E> implements Subscription<E>, AsyncIterator<E | Lost, undefined> {
  readonly #ring: Ring<E>;
  readonly #onDropped: (count: number) => void;
  readonly #onEnd: (self: RingSubscription<E>) => void;
  #waiting: ((step: Step<E>) => void) | undefined;
  #lost = 0;
  #dropped = 0;
  #open = true;

  constructor(capacity: number, onDropped: (count: number) => void, onEnd: (self: RingSubscription<E>) => void) {
    this.#ring = new Ring(capacity);
    this.#onDropped = onDropped;
    this.#onEnd = onEnd;
  }

  get pending(): number {
    return this.#ring.size;
  }

  get dropped(): number {
    return this.#dropped;
  }

  deliver(event: E): void {
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting({ done: false, value: event });
    } else if (this.#ring.push(event)) {
      this.#lost++;
      this.#dropped++;
      this.#onDropped(1);
    }
  }

  next(): Promise<Step<E>> {
    // The gap is older than everything left in the ring, so it is told first.
    if (this.#lost > 0) {
      const lost = this.#lost;
      this.#lost = 0;
      return Promise.resolve({ done: false, value: { type: 'Lost', lost } });
    }
    if (this.#ring.size > 0) return Promise.resolve({ done: false, value: this.#ring.shift() });
    if (!this.#open) return Promise.resolve(ended);
    if (this.#waiting !== undefined) return Promise.reject(new Error('a subscription has one reader'));
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<Step<E>> {
    this[Symbol.dispose]();
    return Promise.resolve(ended);
  }

  /** No more events; the reader still gets what waits, then the end. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#onEnd(this);
    this.#waiting?.(ended);
    this.#waiting = undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<E | Lost, undefined> {
    return this;
  }

  [Symbol.dispose](): void {
    this.end();
    this.#ring.clear();
    this.#lost = 0;
  }
}
