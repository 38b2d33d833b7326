import type { Clock } from '@ron/kernel';
import { fingerprint } from '../store/fingerprint.ts';

/** For how long requests do not wait for each other after an answer that was for one client only. */
const aloneMs = 10_000;
/** Resources that are remembered as such; the oldest goes. */
const aloneMax = 4096;

/** One request to the origin, from its start until its head has been dealt with, and what that left to be stored. */
export class Flight {
  readonly key: string;
  /** Requests that wait for it, its own included. */
  interested = 1;
  /** What it brings is out of date before it is there: an unsafe request has succeeded meanwhile. RFC 9111, 4.4. */
  overtaken = false;
  /** Others may be answered with what it brought. */
  kept = false;
  /** Why the origin gave nothing of use, for all that waited. */
  failure: unknown;
  /** What waits for it needs more than its head. */
  landsAfter: Promise<void> | undefined;
  /** Until then it may still store something, and can be overtaken, landed or not. */
  storesUntil: Promise<void> | undefined;
  hasLanded = false;
  readonly landed: Promise<void>;
  readonly #abort = new AbortController();
  readonly #land: () => void;

  constructor(key: string) {
    this.key = key;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.landed = promise;
    this.#land = resolve;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The head is there, or will not come: whoever waits looks again. */
  land(): void {
    this.hasLanded = true;
    this.#land();
  }

  /** One client less; without any the origin need not answer. */
  leave(): void {
    this.interested--;
    if (this.interested === 0) this.#abort.abort();
  }

  abort(): void {
    this.#abort.abort();
  }
}

/** Requests under way, so that many readers need one. Their number is bounded by that of clients, and of connections. */
export class Flights {
  readonly #joinable = new Map<string, Flight>();
  readonly #byKey = new Map<string, Set<Flight>>();
  /** Until when, by fingerprint of what would be waited for. */
  readonly #alone = new Map<number, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  find(joinKey: string): Flight | undefined {
    const flight = this.#joinable.get(joinKey);
    return flight?.signal.aborted === true ? undefined : flight;
  }

  /** `joinKey` undefined = its answer is for one client. */
  open(key: string, joinKey: string | undefined): Flight {
    const flight = new Flight(key);
    const others = this.#byKey.get(key);
    if (others === undefined) this.#byKey.set(key, new Set([flight]));
    else others.add(flight);
    const joins = joinKey !== undefined && this.find(joinKey) === undefined && !this.#isAlone(joinKey);
    if (joins) this.#joinable.set(joinKey, flight);
    void flight.landed.then(() => {
      if (joins) {
        if (this.#joinable.get(joinKey) === flight) this.#joinable.delete(joinKey);
        if (!flight.kept && flight.failure === undefined) this.#remember(joinKey);
      }
      // Whoever awaits the landing next finds it gone, unless it still stores something.
      if (flight.storesUntil === undefined) this.#forget(flight);
      else void flight.storesUntil.then(() => this.#forget(flight));
    });
    return flight;
  }

  #forget(flight: Flight): void {
    const left = this.#byKey.get(flight.key);
    left?.delete(flight);
    if (left?.size === 0) this.#byKey.delete(flight.key);
  }

  /** Each asks for itself: to wait for an answer that turns out to be nobody else's would only double the time. */
  #isAlone(joinKey: string): boolean {
    return (this.#alone.get(fingerprint(joinKey)) ?? 0) > this.#clock.monotonicMs();
  }

  #remember(joinKey: string): void {
    const mark = fingerprint(joinKey);
    this.#alone.delete(mark);
    this.#alone.set(mark, this.#clock.monotonicMs() + aloneMs);
    const [oldest] = this.#alone.keys();
    if (this.#alone.size > aloneMax && oldest !== undefined) this.#alone.delete(oldest);
  }

  /** Whose head is awaited. */
  get size(): number {
    let count = 0;
    for (const flights of this.#byKey.values()) for (const { hasLanded } of flights) if (!hasLanded) count += 1;
    return count;
  }

  /** As `overtake`, for every key that is meant. */
  overtakeAll(isMeant: (key: string) => boolean): void {
    for (const key of this.#byKey.keys()) if (isMeant(key)) this.overtake(key);
  }

  overtake(key: string): void {
    for (const flight of this.#byKey.get(key) ?? []) flight.overtaken = true;
  }
}
