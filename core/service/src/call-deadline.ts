import type { Clock } from '@ron/kernel';
import type { CallContext, Operation } from '@ron/proto/contract';
import type { Deadline } from './deadlines.ts';

export const timeoutMsDefault = 30_000;
/** A call that takes a body has no deadline of its own, but may not spend more than this between two pieces, or after the last. */
const pieceMsMax = 300_000;

/** When the call is late, on the monotonic clock: the least of what the operation, the caller and the call above it grant. */
export function deadlineOf(
  { operation, takesBody }: { readonly operation: Operation; readonly takesBody: boolean },
  { timeoutMs, parent }: { readonly timeoutMs?: number | undefined; readonly parent?: CallContext | undefined },
  startMs: number,
): number {
  const own = operation.limits?.timeoutMs ?? (takesBody ? Number.POSITIVE_INFINITY : timeoutMsDefault);
  const granted = Math.min(own, timeoutMs ?? Number.POSITIVE_INFINITY);
  return Math.min(startMs + granted, parent?.deadlineMs ?? Number.POSITIVE_INFINITY);
}

/** The call's deadline; while it takes a body, also one that moves on with each piece. */
export class CallDeadline implements Deadline {
  readonly #context: Deadline;
  readonly #clock: Clock;
  #pieceMs = Number.POSITIVE_INFINITY;

  constructor(context: Deadline, takesBody: boolean, clock: Clock) {
    this.#context = context;
    this.#clock = clock;
    if (takesBody) this.moved();
  }

  get deadlineMs(): number {
    return Math.min(this.#context.deadlineMs, this.#pieceMs);
  }

  moved(): void {
    this.#pieceMs = this.#clock.monotonicMs() + pieceMsMax;
  }
}
