import { type Env, sleep, type Timer } from '@ron/kernel';
import type { RevocationPage } from '@ron/proto/capability';
import { RonError } from '@ron/proto/errors';
import { applyRevocation, type RevocationList } from './revocation.ts';

/** Where revocations come from: svc-passport's operation, or its table in the same process. */
export interface RevocationSource {
  /**
   * What came after `seq`: at once when there is something, else after at most `waitMs`. Another `feed` than before, or
   * an answer that ends below `seq`, says that the source has begun anew.
   */
  since(seq: number, waitMs: number, signal: AbortSignal): Promise<RevocationPage>;
}

export type FollowerState =
  /** Nothing was heard yet: what is revoked is not known. */
  | 'starting'
  | 'following'
  /** Nothing was heard for 30 s. */
  | 'stale'
  /** The list cannot hold what was heard. */
  | 'full';

export interface FollowerOptions {
  readonly source: RevocationSource;
  readonly list: RevocationList;
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly onState?: (state: FollowerState) => void;
  /** What went wrong with a poll, which is then repeated. */
  readonly onFault?: (error: unknown) => void;
}

/** Follows a feed from its making until it is disposed. */
export interface RevocationFollower extends AsyncDisposable {
  /** The newest entry that is in force here. */
  readonly seq: number;
  /** Monotonic time of the last answer; undefined before the first. */
  readonly lastHeardMs: number | undefined;
  readonly state: FollowerState;
  /** Why mutations must be refused; undefined while the feed is heard. */
  refusal(): string | undefined;
}

export const revocationWaitMs = 10_000;
export const revocationStaleMs = 30_000;
/** A source that has not answered this long after it should have is asked anew. */
const graceMs = 5_000;
const retryMaxMs = 1_000;
/** A page with less is the end of what the source has: see `RevocationPage`. */
const pageEntriesMax = 1_000;

export function createRevocationFollower(options: FollowerOptions): RevocationFollower {
  const follower = new FeedFollower(options);
  follower.start();
  return follower;
}

class FeedFollower implements RevocationFollower {
  readonly #options: FollowerOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #seq = 0;
  #feed: string | undefined;
  /** Reading what is there from the beginning: what expired may be missing in between. */
  #catchingUp = true;
  #lastHeardMs: number | undefined;
  #state: FollowerState = 'starting';
  #staleTimer: Timer | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#follow();
  }

  get seq(): number {
    return this.#seq;
  }

  get lastHeardMs(): number | undefined {
    return this.#lastHeardMs;
  }

  get state(): FollowerState {
    // Asked of the clock and not of the timer, which a busy process may run late.
    return this.#state === 'following' && this.#silentMs() >= revocationStaleMs ? 'stale' : this.#state;
  }

  refusal(): string | undefined {
    switch (this.state) {
      case 'following':
        return undefined;
      case 'starting':
        return 'the revocation feed has not been heard yet';
      case 'stale':
        return `the revocation feed has been silent for ${Math.floor(this.#silentMs() / 1000)} s`;
      case 'full':
        return 'the revocation list is full';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the revocation follower stops'));
    this.#staleTimer?.cancel();
    await this.#running;
  }

  async #follow(): Promise<void> {
    const { clock, random } = this.#options.env;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const askedMs = clock.monotonicMs();
        const isNews = this.#hear(await this.#poll());
        if (isNews || clock.monotonicMs() - askedMs >= retryMaxMs) continue;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof RonError && error.code === 'insufficient_storage') this.#enter('full');
        this.#options.onFault?.(error);
      }
      // After a fault, and for a source that has nothing but does not wait. Full jitter: followers of one source do not
      // return to it together.
      await sleep(clock, random.unit() * retryMaxMs, signal).catch(() => undefined); // Stopped: the loop ends.
    }
  }

  /** One question, which ends with the follower or when the source does not keep its time. */
  async #poll(): Promise<RevocationPage> {
    const { source, env } = this.#options;
    // The first question is answered at once, or a quiet feed would keep a starting node from its mutations.
    const waitMs = this.#catchingUp ? 0 : revocationWaitMs;
    const abort = new AbortController();
    const late = Promise.withResolvers<never>();
    const give = (reason: unknown) => {
      abort.abort(reason);
      late.reject(reason);
    };
    const timer = env.clock.after(waitMs + graceMs, () =>
      give(new Error('the revocation feed did not answer in time')),
    );
    const onStop = () => give(this.#stop.signal.reason);
    this.#stop.signal.addEventListener('abort', onStop, { once: true });
    try {
      return await Promise.race([source.since(this.#seq, waitMs, abort.signal), late.promise]);
    } finally {
      timer.cancel();
      this.#stop.signal.removeEventListener('abort', onStop);
    }
  }

  /** True when there may be more at once. */
  #hear(page: RevocationPage): boolean {
    if (this.#stop.signal.aborted) return false;
    if (this.#isAnotherHistory(page)) {
      // What is in the list stays: a revocation heard twice changes nothing, one forgotten would.
      this.#seq = 0;
      this.#feed = undefined;
      this.#catchingUp = true;
      this.#heard();
      return false;
    }
    const beganCatchingUp = this.#catchingUp;
    for (const entry of page.entries) {
      applyRevocation(this.#options.list, entry);
      this.#seq = entry.seq;
    }
    this.#seq = page.seq;
    this.#feed = page.feed;
    if (page.entries.length < pageEntriesMax) {
      this.#catchingUp = false;
      this.#enter('following');
    }
    this.#heard();
    return beganCatchingUp || page.entries.length > 0;
  }

  /** A source that began anew, or that lost entries which this follower has not heard. */
  #isAnotherHistory(page: RevocationPage): boolean {
    if (this.#seq === 0) return false;
    if (page.seq < this.#seq || (this.#feed !== undefined && page.feed !== this.#feed)) return true;
    if (this.#catchingUp || page.full === true) return false;
    return page.entries.some((entry, index) => entry.seq !== this.#seq + 1 + index) || this.#endsElsewhere(page);
  }

  #endsElsewhere(page: RevocationPage): boolean {
    return page.seq !== this.#seq + page.entries.length;
  }

  #heard(): void {
    const { clock } = this.#options.env;
    this.#lastHeardMs = clock.monotonicMs();
    this.#staleTimer?.cancel();
    this.#staleTimer = clock.after(revocationStaleMs, () => {
      if (this.#state === 'following') this.#enter('stale');
    });
  }

  #enter(state: FollowerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }

  #silentMs(): number {
    return this.#options.env.clock.monotonicMs() - (this.#lastHeardMs ?? 0);
  }
}
