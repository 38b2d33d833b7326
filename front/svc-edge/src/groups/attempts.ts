import { VerificationError } from '@ron/b3';
import { type Clock, errorCode } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { CrowdedError } from './fetch-gate.ts';
import type { GroupMeters } from './meters.ts';
import type { GroupSource } from './source.ts';

/** For one answer, or one group, of a source: then the next is asked. */
export const sourceDeadlineMs = 30_000;

/** Said in `details.gate` of a refusal by a source that has too much to do: to ask it again at once makes it worse. */
export const busyGate = 'source.busy';

/**
 * What is asked of the sources, and how: the same source twice where it could not be reached, because lines fail, then
 * the next. Who sends what does not verify is left at once.
 */
export class Attempts {
  readonly #sources: readonly GroupSource[];
  readonly #meters: GroupMeters;
  readonly #clock: Clock;
  #place = 0;
  #retried = false;
  #worst: RonError | undefined;

  /** `first` is asked before the others: it served this object a moment ago. */
  constructor(sources: readonly GroupSource[], meters: GroupMeters, clock: Clock, first?: GroupSource) {
    this.#sources = first === undefined ? sources : [first, ...sources.filter((source) => source !== first)];
    this.#meters = meters;
    this.#clock = clock;
  }

  /** Undefined when all have been asked. */
  get source(): GroupSource | undefined {
    return this.#sources[this.#place];
  }

  /** What to refuse with: wrong bytes weigh more than silence, and that more than an honest no. */
  get refusal(): RonError {
    return this.#worst ?? new RonError('unavailable', 'there is no source', { details: { gate: 'source' } });
  }

  /** Something verified: whoever sent it has its two attempts again. */
  progressed(): void {
    this.#retried = false;
  }

  failed(thrown: unknown): void {
    const { source } = this;
    if (source === undefined) return;
    const error = refusalOf(thrown, source.asReader);
    if (error.code === 'integrity') this.#meters.integrityFailed(source.name);
    if (this.#worst === undefined || weight(error) > weight(this.#worst)) this.#worst = error;
    if (isOfTheLine(error) && !this.#retried) {
      this.#retried = true;
      return;
    }
    this.#place += 1;
    this.#retried = false;
  }

  /** The first answer of a source that `ask` does not throw for. Rejects as the worst refusal, or as the signal does. */
  async first<T>(signal: AbortSignal, ask: (source: GroupSource, signal: AbortSignal) => Promise<T>): Promise<T> {
    for (;;) {
      const { source } = this;
      if (source === undefined) throw this.refusal;
      try {
        return await withinDeadline(this.#clock, signal, (bounded) => ask(source, bounded));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof CrowdedError) throw error;
        this.failed(error);
      }
    }
  }
}

/** What may be over when it is asked for once more. */
function isOfTheLine({ code, details }: RonError): boolean {
  return code === 'unavailable' && details?.['gate'] !== busyGate;
}

/** Runs `ask` with a signal that aborts with `signal`, or when the source's time is over. */
export function withinDeadline<T>(
  clock: Clock,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const bounded = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const stop = (reason: unknown): void => {
      bounded.abort(reason);
      reject(reason);
    };
    const timer = clock.after(sourceDeadlineMs, () => stop(unavailable('the source takes too long')));
    const onAbort = (): void => stop(signal.reason);
    const over = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    };
    if (signal.aborted) {
      over();
      return reject(signal.reason);
    }
    signal.addEventListener('abort', onAbort, { once: true });
    ask(bounded.signal).then(
      (value) => {
        over();
        resolve(value);
      },
      (error: unknown) => {
        over();
        reject(error);
      },
    );
  });
}

const shown: ReadonlySet<string> = new Set(['not_found', 'integrity', 'unavailable', 'payload_too_large']);
/** Said to whoever was named to the source: the reader, or this cache. */
const personal: ReadonlySet<string> = new Set(['unauthenticated', 'forbidden', 'quota_exhausted']);

/** Anything that a source does wrong, as a refusal. `asReader`: see `GroupSource`. */
export function refusalOf(thrown: unknown, asReader = false): RonError {
  if (thrown instanceof RonError) {
    const { code } = thrown;
    if (shown.has(code) || (asReader && personal.has(code))) return thrown;
    return unavailable('the source does not answer this', thrown);
  }
  if (thrown instanceof VerificationError) {
    return new RonError('integrity', 'what the source sent does not belong to the address', { cause: thrown });
  }
  // A failure of the line. What has no code is a mistake of this program, and no source is asked again for it.
  if (errorCode(thrown) !== undefined) return unavailable('the source cannot be reached', thrown);
  throw thrown;
}

export function unavailable(message: string, cause?: unknown): RonError {
  return new RonError('unavailable', message, { retryAfterMs: 1_000, details: { gate: 'source' }, cause });
}

function weight({ code }: RonError): number {
  return code === 'integrity' ? 2 : code === 'not_found' ? 0 : 1;
}
