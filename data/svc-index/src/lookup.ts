import type { Clock } from '@ron/kernel';
import { parseName } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { BoundedCache } from './bounded-cache.ts';
import type { IndexConfig } from './config.ts';
import type { Awaitable, Head, NameEngine } from './engine.ts';
import { isLive, type NameRecord, type Resolution } from './record.ts';

interface Hot {
  readonly head: Head;
  /** Another process said that it changed the name. */
  readonly outdated?: true;
  /** Monotonic: when it was read or written. */
  readonly atMs: number;
}

/**
 * Reads of names, with the hot ones answered from memory. Where this process alone changes names the cache is exact, not
 * merely recent, because every change passes through `changed`. Where others do too, an entry is answered for
 * `shared_max_age_ms` at most, and mostly less: hints drop it. What is not there is remembered for a moment, so that a storm
 * of requests for a missing name does not reach the engine.
 */
export class Lookup implements Disposable {
  readonly #engine: NameEngine;
  readonly #clock: Clock;
  readonly #config: () => Readonly<IndexConfig>;
  readonly #others: Disposable | undefined;
  readonly #hot: BoundedCache<Hot>;
  /** Monotonic milliseconds at which the name was seen missing. */
  #missing: BoundedCache<number>;
  /** Monotonic: what was read before may have been changed by others. */
  #outdatedAtMs = Number.NEGATIVE_INFINITY;
  /** Counts changes: a read that was under way during one is not kept. */
  #changes = 0;
  /** Reads of names that others may ask for meanwhile. Bounded by the calls in flight. */
  readonly #reading = new Map<string, Promise<Resolution | undefined>>();

  constructor(engine: NameEngine, clock: Clock, config: () => Readonly<IndexConfig>) {
    this.#engine = engine;
    this.#clock = clock;
    this.#config = config;
    this.#hot = new BoundedCache(config().hot_names_max);
    this.#missing = new BoundedCache(config().hot_names_max);
    this.#others = engine.others?.subscribe((names) => this.#outdated(names));
  }

  [Symbol.dispose](): void {
    this.#others?.[Symbol.dispose]();
  }

  /** Undefined when there is no such name, it was removed, or it has expired. `fresh` asks the engine in any case. */
  find(name: string, fresh: boolean): Awaitable<Resolution | undefined> {
    const nowMs = this.#clock.monotonicMs();
    if (!fresh) {
      const hot = this.#hot.get(name);
      if (hot !== undefined && this.#isUsable(hot, nowMs)) return this.#answer(hot.head, nowMs - hot.atMs, 'memory');
      const missingAtMs = this.#missing.get(name);
      if (missingAtMs !== undefined && nowMs - missingAtMs < this.#config().negative_ttl_ms) return undefined;
      const reading = this.#reading.get(name);
      if (reading !== undefined) return reading;
    }
    parseName(name);
    const changes = this.#changes;
    const head = this.#engine.head(name);
    if (!(head instanceof Promise)) return this.#keep(name, head, nowMs, changes);
    const found = head.then((late) => this.#keep(name, late, nowMs, changes));
    if (fresh) return found;
    const answer = found.catch((error: unknown) => this.#unreachable(name, error));
    this.#reading.set(name, answer);
    const forget = () => void this.#reading.delete(name);
    answer.then(forget, forget);
    return answer;
  }

  /** A change is durable: later reads must see it. */
  changed(name: string, head: Head): void {
    this.#changes += 1;
    this.#missing.delete(name);
    this.#reading.delete(name);
    this.#hot.set(name, { head, atMs: this.#clock.monotonicMs() });
  }

  #isUsable({ atMs, outdated }: Hot, nowMs: number): boolean {
    if (this.#others === undefined) return true;
    return outdated !== true && atMs >= this.#outdatedAtMs && nowMs - atMs < this.#config().shared_max_age_ms;
  }

  /** Others changed these; kept, though out of date, for when the engine cannot be reached. */
  #outdated(names: readonly string[] | undefined): void {
    if (names === undefined) {
      this.#missing = new BoundedCache(this.#config().hot_names_max);
      this.#outdatedAtMs = this.#clock.monotonicMs();
      return;
    }
    for (const name of names) {
      this.#missing.delete(name);
      const hot = this.#hot.get(name);
      if (hot !== undefined) this.#hot.set(name, { ...hot, outdated: true });
    }
  }

  /** What was known of the name, unless it is too old; else the error. */
  #unreachable(name: string, error: unknown): Resolution | undefined {
    const hot = this.#hot.get(name);
    const ageMs = this.#clock.monotonicMs() - (hot?.atMs ?? 0);
    const isKnown = hot !== undefined && ageMs < this.#config().unreachable_max_age_ms;
    if (!isKnown || !(error instanceof RonError) || error.code !== 'unavailable') throw error;
    return this.#answer(hot.head, ageMs, 'memory');
  }

  #keep(name: string, head: Head | undefined, atMs: number, changes: number): Resolution | undefined {
    // Where others change names too, an entry is used for a short time, and only a newer one must not be replaced.
    const isLatest =
      this.#others === undefined ? changes === this.#changes : (this.#hot.get(name)?.atMs ?? atMs) <= atMs;
    if (isLatest) {
      if (head === undefined) this.#missing.set(name, atMs);
      else this.#hot.set(name, { head, atMs });
    }
    return head === undefined
      ? undefined
      : this.#answer(head, 0, this.#engine.durability === 'fsync' ? 'disk' : 'memory');
  }

  #answer(head: Head, freshnessMs: number, source: Resolution['source']): Resolution | undefined {
    if (head.removed) return undefined;
    const { record } = head;
    if (record.expires_at !== undefined && !isLive(head, this.#clock.wallMs())) return undefined;
    return resolutionOf(record, Math.max(0, Math.round(freshnessMs)), source);
  }
}

/** Field by field: a spread costs three times as much, and this runs for every request. */
function resolutionOf(record: NameRecord, freshnessMs: number, source: Resolution['source']): Resolution {
  const resolution: Resolution = {
    name: record.name,
    address: record.address,
    version: record.version,
    prev: record.prev,
    updated_at: record.updated_at,
    owner: record.owner,
    signature: record.signature,
    providers: [],
    freshness_ms: freshnessMs,
    source,
  };
  if (record.expires_at !== undefined) resolution.expires_at = record.expires_at;
  return resolution;
}

/** As another node answered so long ago. */
export function farResolution(record: NameRecord, ageMs: number): Resolution {
  return resolutionOf(record, Math.round(ageMs), 'network');
}

export function noSuchName(): RonError {
  return new RonError('not_found', 'no such name');
}
