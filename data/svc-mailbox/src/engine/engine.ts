import type { Content } from '../state/body.ts';
import type { BoxKey, Command, IdempotencyKey, Outcomes, Receive, SendRefusal } from '../state/command.ts';
import type { MachineCounters } from '../state/lifecycle.ts';

export type { BoxKey, IdempotencyKey, SendRefusal };

export type Awaitable<T> = T | Promise<T>;

/** A message that was leased, with its content. */
export interface LeasedMessage {
  readonly id: string;
  readonly content: Content;
  readonly group: string | undefined;
  readonly priority: number;
  readonly sentWallMs: number;
  readonly attempt: number;
  readonly fence: number;
  readonly nonce: number;
}

export type DeadCause = 'attempts' | 'expired' | 'damaged';

/** How an earlier delivery ended. */
export interface PastDelivery {
  readonly attempt: number;
  readonly wallMs: number;
  readonly outcome: 'expired' | 'nack';
  readonly reason: string | undefined;
}

export interface DeadLetter {
  readonly id: string;
  /** With `id`, its position. */
  readonly order: number;
  /** Undefined: damaged beyond reading. */
  readonly content: Content | undefined;
  readonly group: string | undefined;
  readonly priority: number;
  readonly sentWallMs: number;
  readonly attempt: number;
  readonly cause: DeadCause;
  readonly deadWallMs: number;
  readonly history: readonly PastDelivery[];
}

/** A message as `peek` shows it. */
export interface PeekedMessage {
  readonly id: string;
  /** With `id`, its position. */
  readonly order: number;
  readonly content: Content;
  readonly group: string | undefined;
  readonly priority: number;
  readonly sentWallMs: number;
  readonly attempt: number;
}

export interface BoxCounts {
  readonly box: string;
  readonly ready: number;
  readonly delayed: number;
  readonly inFlight: number;
  readonly dead: number;
  readonly bytes: number;
  readonly oldestAgeMs: number;
  readonly sent: number;
  readonly duplicates: number;
  readonly delivered: number;
  readonly redelivered: number;
  readonly acked: number;
  readonly expired: number;
  readonly deleted: number;
}

/** A position in an ordered list of messages; opaque to callers. */
export interface Position {
  readonly order: number;
  readonly id: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Undefined: nothing follows now. */
  readonly next: Position | undefined;
}

export interface Totals {
  readonly boxes: number;
  readonly ready: number;
  readonly delayed: number;
  readonly inFlight: number;
  readonly dead: number;
  readonly bytes: number;
  readonly keys: number;
}

export interface HeldAddress extends BoxKey {
  readonly id: string;
  readonly address: string;
}

/** What was done since the engine was opened. */
export type EngineCounters = MachineCounters & {
  readonly log?: {
    readonly syncs: number;
    readonly bytes: number;
    readonly compactedSegments: number;
    readonly carriedBytes: number;
  };
};

/** Commands that callers give; `receive` has a method of its own because its answer carries contents. */
export type PlainCommand = Exclude<Command, Receive>;

/**
 * Where mailboxes live. `execute` and `receive` resolve when what they changed is as durable as `durability` says, and
 * every later call sees it. They reject with `RonError`: `insufficient_storage` when the disk is full (only `send` then;
 * the others use space that is kept for them), `unavailable` once the engine has failed or too much waits, and then
 * nothing was changed; what was under way when it failed may or may not be there after a restart.
 */
export interface MailboxEngine extends AsyncDisposable {
  /** `memory`: gone with the process. `fsync`: on stable storage. */
  readonly durability: 'memory' | 'fsync';
  /** Why nothing is changed any more; undefined while all is well. */
  readonly failure: string | undefined;
  execute<C extends PlainCommand>(command: C): Promise<Outcomes[C['op']]>;
  receive(command: Receive): Promise<readonly LeasedMessage[]>;
  /** Oldest first, at most `bytesMax` of them as JSON, but always one. Undefined: no such box. */
  deadLetters(
    key: BoxKey,
    after: Position | undefined,
    limit: number,
    bytesMax?: number,
  ): Promise<Page<DeadLetter> | undefined>;
  /**
   * What was sent after `after`, as far as it is still there and alive. `next` is always set: where to go on.
   * Without `after`: nothing, and `next` is the end of the box.
   */
  peek(key: BoxKey, after: Position | undefined, limit: number, bytesMax?: number): Promise<Page<PeekedMessage>>;
  /** Undefined: no such box. */
  stats(key: BoxKey): Awaitable<BoxCounts | undefined>;
  /** Boxes of a tenant after this name, in code unit order. */
  boxes(tenant: string, after: string | undefined, limit: number): Awaitable<readonly BoxCounts[]>;
  /** What time has brought about by now is as durable as `durability` says: it does not come back after a crash. */
  recordTime(): Promise<void>;
  roots(after: Position | undefined, limit: number): Awaitable<Page<HeldAddress>>;
  totals(): Awaitable<Totals>;
  readonly counters: EngineCounters;
  /**
   * Calls `wake` once, when the box may have something for the caller; then the watcher is forgotten. A leasing watcher
   * is woken when a message can be leased, at once when there already is one; of several, those that came first, and
   * only as many as there are messages. A `peek` watcher is woken by the next `send` to the box.
   */
  watch(key: BoxKey, wake: () => void, options?: { readonly peek?: boolean }): Disposable;
}
