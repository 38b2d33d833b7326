import type { Clock } from '@ron/kernel';
import { parseName } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { BoundedCache } from './bounded-cache.ts';
import type { IndexConfig } from './config.ts';
import type { Awaitable, Head, NameEngine } from './engine.ts';
import { isLive, type NameRecord, type Resolution } from './record.ts';

interface Hot {
  readonly head: Head;
  /** Monotonic: when it was read or written. */
  readonly atMs: number;
}

/**
 * Reads of names, with the hot ones answered from memory. The cache is exact, not merely recent: every change of this
 * node passes through `changed`, and an engine has one writer. What is not there is remembered for a moment, so that
 * a storm of requests for a missing name does not reach the engine.
 */
export class Lookup {
  readonly #engine: NameEngine;
  readonly #clock: Clock;
  readonly #config: () => Readonly<IndexConfig>;
  readonly #hot: BoundedCache<Hot>;
  /** Monotonic milliseconds at which the name was seen missing. */
  readonly #missing: BoundedCache<number>;
  /** Counts changes: a read that was under way during one is not kept. */
  #changes = 0;

  constructor(engine: NameEngine, clock: Clock, config: () => Readonly<IndexConfig>) {
    this.#engine = engine;
    this.#clock = clock;
    this.#config = config;
    this.#hot = new BoundedCache(config().hot_names_max);
    this.#missing = new BoundedCache(config().hot_names_max);
  }

  /** Undefined when there is no such name, it was removed, or it has expired. `fresh` asks the engine in any case. */
  find(name: string, fresh: boolean): Awaitable<Resolution | undefined> {
    const nowMs = this.#clock.monotonicMs();
    if (!fresh) {
      const hot = this.#hot.get(name);
      if (hot !== undefined) return this.#answer(hot.head, nowMs - hot.atMs, 'memory');
      const missingAtMs = this.#missing.get(name);
      if (missingAtMs !== undefined && nowMs - missingAtMs < this.#config().negative_ttl_ms) return undefined;
    }
    parseName(name);
    const changes = this.#changes;
    const head = this.#engine.head(name);
    return head instanceof Promise
      ? head.then((found) => this.#keep(name, found, nowMs, changes))
      : this.#keep(name, head, nowMs, changes);
  }

  /** A change is durable: later reads must see it. */
  changed(name: string, head: Head): void {
    this.#changes += 1;
    this.#missing.delete(name);
    this.#hot.set(name, { head, atMs: this.#clock.monotonicMs() });
  }

  #keep(name: string, head: Head | undefined, atMs: number, changes: number): Resolution | undefined {
    if (changes === this.#changes) {
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

/** As another node has just answered. */
export function farResolution(record: NameRecord): Resolution {
  return resolutionOf(record, 0, 'network');
}

export function noSuchName(): RonError {
  return new RonError('not_found', 'no such name');
}
