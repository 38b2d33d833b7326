import type { Env } from '@ron/kernel';
import { addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';

const keepMs = 24 * 3_600_000;

export interface IdempotencyLimits {
  /** Outcomes remembered. */
  readonly entriesMax: number;
  /** Bytes of keys and outcomes together, as UTF-16. */
  readonly bytesMax: number;
  /** Mutations that run at once under a key. */
  readonly runningMax: number;
}

const limitsDefault: IdempotencyLimits = { entriesMax: 100_000, bytesMax: 64 * 1_024 * 1_024, runningMax: 1_024 };

/**
 * Remembers the outcome of mutations by caller, operation and Idempotency-Key for 24 h, in RAM, at most 100,000 of
 * them in 64 MiB (the oldest goes first). The same key with another request is a `conflict`; while the first still
 * runs, the second waits for it. Refusals are not remembered: a retry is then a new attempt.
 */
export class IdempotencyStore {
  readonly #env: Pick<Env, 'clock' | 'work'>;
  readonly #limits: IdempotencyLimits;
  readonly #running = new Map<string, Running>();
  /** In the order of their age. */
  readonly #done = new Map<string, Done>();
  #bytes = 0;

  constructor(env: Pick<Env, 'clock' | 'work'>, limits: Partial<IdempotencyLimits> = {}) {
    this.#env = env;
    this.#limits = { ...limitsDefault, ...limits };
  }

  /** Outcomes remembered now, and the bytes that they are counted as. */
  get size(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#done.size, bytes: this.#bytes };
  }

  /**
   * `who` are the parts that make the key unique: tenant, subject, operation, the caller's own key. Outcomes are kept
   * as JSON: what is answered again is equal to the first answer and never the same object.
   */
  async once(who: readonly string[], request: unknown, run: () => unknown): Promise<unknown> {
    const key = JSON.stringify(who);
    const digest = this.#digestOf(request);
    this.#shrink();
    const known = this.#running.get(key) ?? this.#done.get(key);
    if (known !== undefined && known.digest !== digest)
      throw new RonError('conflict', 'this Idempotency-Key was used with another request');
    if (known !== undefined) return parse('outcome' in known ? JSON.stringify(await known.outcome) : known.json);
    if (this.#running.size >= this.#limits.runningMax)
      throw new RonError('unavailable', 'too many mutations in flight', {
        retryAfterMs: 250,
        details: { gate: 'idempotency' },
      });
    // `async` turns a synchronous throw into a rejection.
    const outcome = (async () => run())();
    this.#running.set(key, { digest, outcome });
    try {
      const value = await outcome;
      this.#remember(key, digest, JSON.stringify(value));
      return value;
    } finally {
      this.#running.delete(key);
    }
  }

  #digestOf(request: unknown): string {
    const text = new TextEncoder().encode(JSON.stringify(request) ?? '');
    return addressFromHash(this.#env.work.blake3(text));
  }

  #remember(key: string, digest: string, json: string | undefined): void {
    const bytes = 2 * (key.length + digest.length + (json?.length ?? 0));
    this.#done.set(key, { digest, json, bytes, atMs: this.#env.clock.monotonicMs() });
    this.#bytes += bytes;
    this.#shrink();
  }

  #shrink(): void {
    const now = this.#env.clock.monotonicMs();
    const { entriesMax, bytesMax } = this.#limits;
    for (const [key, { bytes, atMs }] of this.#done) {
      if (this.#done.size <= entriesMax && this.#bytes <= bytesMax && now - atMs < keepMs) return;
      this.#done.delete(key);
      this.#bytes -= bytes;
    }
  }
}

/** An answer may be nothing at all, which JSON has no word for. */
function parse(json: string | undefined): unknown {
  return json === undefined ? undefined : JSON.parse(json);
}

interface Running {
  readonly digest: string;
  readonly outcome: Promise<unknown>;
}

interface Done {
  readonly digest: string;
  readonly json: string | undefined;
  readonly bytes: number;
  readonly atMs: number;
}
