import { RingSubscription, type Subscription } from './subscription.ts';

export interface BusOptions {
  /** Events that may wait for one subscriber before it loses the oldest; 4,096 by default. */
  readonly capacity?: number;
  /** Subscribers and listeners together; 1,024 by default. One more is refused. */
  readonly subscribersMax?: number;
  /** Told of every event that a slow subscriber loses; feeds `bus_overflow_dropped_total`. Must not throw. */
  readonly onDropped?: (count: number) => void;
  /** A listener threw. Publishing goes on; without this the error is only counted in `listenerErrors`. */
  readonly onListenerError?: (error: unknown) => void;
}

/** A bounded, lossy broadcast: publishing never waits, and a slow reader loses its own oldest events, nobody else's. */
export interface Bus<E> {
  publish(event: E): void;
  /** Events published from now on. `capacity` overrides the default of the bus. */
  subscribe(options?: { readonly capacity?: number }): Subscription<E>;
  /** Runs inside `publish`: for work of microseconds. */
  onEvent(listener: (event: E) => void): Disposable;
  /** Events lost by all subscribers since the start. */
  readonly dropped: number;
  readonly listenerErrors: number;
  readonly subscribers: number;
  /** Ends all subscriptions after what they still hold; later events go nowhere. */
  close(): void;
}

export function createBus<E>(options: BusOptions = {}): Bus<E> {
  return new BroadcastBus<E>(options);
}

class BroadcastBus<E> implements Bus<E> {
  readonly #options: BusOptions;
  // Replaced, never changed in place: a publish that is under way keeps walking the list that it began with.
  #subscriptions: readonly RingSubscription<E>[] = [];
  #listeners: readonly ((event: E) => void)[] = [];
  #dropped = 0;
  #listenerErrors = 0;
  #closed = false;

  constructor(options: BusOptions) {
    checkCapacity(options.capacity ?? 1);
    this.#options = options;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get listenerErrors(): number {
    return this.#listenerErrors;
  }

  get subscribers(): number {
    return this.#subscriptions.length + this.#listeners.length;
  }

  publish(event: E): void {
    const listeners = this.#listeners;
    for (let i = 0; i < listeners.length; i++) {
      try {
        listeners[i]?.(event);
      } catch (error) {
        this.#listenerErrors++;
        this.#options.onListenerError?.(error);
      }
    }
    const subscriptions = this.#subscriptions;
    for (let i = 0; i < subscriptions.length; i++) subscriptions[i]?.deliver(event);
  }

  subscribe(options: { readonly capacity?: number } = {}): Subscription<E> {
    const capacity = options.capacity ?? this.#options.capacity ?? 4096;
    checkCapacity(capacity);
    this.#checkRoom();
    const subscription = new RingSubscription<E>(
      capacity,
      (count) => {
        this.#dropped += count;
        this.#options.onDropped?.(count);
      },
      (self) => {
        this.#subscriptions = this.#subscriptions.filter((other) => other !== self);
      },
    );
    if (this.#closed) subscription.end();
    else this.#subscriptions = [...this.#subscriptions, subscription];
    return subscription;
  }

  onEvent(listener: (event: E) => void): Disposable {
    this.#checkRoom();
    // A wrapper of its own, so that the same function may listen twice and leave once.
    const own = (event: E) => listener(event);
    if (!this.#closed) this.#listeners = [...this.#listeners, own];
    return {
      [Symbol.dispose]: () => {
        this.#listeners = this.#listeners.filter((other) => other !== own);
      },
    };
  }

  close(): void {
    this.#closed = true;
    this.#listeners = [];
    for (const subscription of this.#subscriptions) subscription.end();
  }

  #checkRoom(): void {
    if (this.subscribers >= (this.#options.subscribersMax ?? 1024)) throw new RangeError('too many bus subscribers');
  }
}

function checkCapacity(capacity: number): void {
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > 1_048_576) {
    throw new RangeError(`bus capacity ${capacity} is not within 1 to 1048576`);
  }
}
