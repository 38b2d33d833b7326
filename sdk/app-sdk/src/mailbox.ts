import type { BoxStats, DeadMessage } from '@ron/proto/mailbox';
import type { CallOptions } from './client.ts';
import type { RonClientError } from './errors.ts';
import type { LeaseKeeper } from './lease-keeper.ts';

export type { BoxStats };

/** What a message carries: text, bytes (at most 256 KiB inline), or the address of a stored object. */
export type MessageBody = string | Uint8Array | { readonly address: string };

export interface SendOptions extends CallOptions {
  /**
   * The same key and message within 24 h is the same message. Without one the call makes its own, so that a retry after
   * a lost answer does not send twice; give one when the caller itself may start over.
   */
  readonly idempotencyKey?: string;
  /** At most 16, names of `[a-z0-9_.-]`, 4 KiB together. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly delayMs?: number;
  readonly ttlMs?: number;
  /** A message whose time to live runs out becomes a dead letter instead of going away. */
  readonly deadLetterOnExpiry?: boolean;
  /** First in, first out inside a group, one under way at a time. */
  readonly group?: string;
  /** 0 to 9; higher ones come first. */
  readonly priority?: number;
}

export interface Sent {
  readonly id: string;
  /** The box knew the key already; nothing was added. */
  readonly duplicate: boolean;
  readonly durability: 'memory' | 'fsync';
}

/** A message that nobody leased: what `tail` shows. */
export interface Message {
  readonly id: string;
  /** Undefined when the message stands for an object, or (a dead letter) was damaged. */
  readonly body: string | Uint8Array | undefined;
  /** Of the object that the message stands for. */
  readonly address?: string;
  /** The body; throws `TypeError` when there is none. */
  text(): string;
  bytes(): Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** Deliveries so far, this one included. */
  readonly attempt: number;
  readonly group?: string;
  readonly priority: number;
  /** Milliseconds since 1970. */
  readonly sentAt: number;
}

export interface ReceivedMessage extends Message {
  /** Opaque; what `ack`, `nack` and `extend` take. */
  readonly lease: string;
  /** Milliseconds that the lease lasted when the node answered. */
  readonly leaseMs: number;
  /** Grows with each lease of this message: a store that refuses a lower one than it has seen refuses late workers. */
  readonly fence: number;
}

export interface DeadLetter extends Message {
  /** Too many deliveries; its time ran out; its record was damaged on the disk. */
  readonly reason: DeadMessage['reason'];
  /** Milliseconds since 1970, as in the history. */
  readonly deadAt: number;
  readonly history: readonly {
    readonly attempt: number;
    readonly at: number;
    readonly outcome: 'lease_ended' | 'nack';
    readonly reason?: string;
  }[];
}

/** The outcome for one lease, in the order in which they were given. */
export interface LeaseResult {
  readonly lease: string;
  /** False: the lease had ended, and nothing changed. */
  readonly ok: boolean;
  readonly error?: 'conflict';
}

export interface ReceiveOptions extends CallOptions {
  /** Messages, 1 to 100; default 1. */
  readonly max?: number;
  /** Milliseconds to wait for the first, at most 30 000; default 0. */
  readonly waitMs?: number;
  /** Milliseconds that the leases last, 250 to 12 h; default the node's, 30 000. */
  readonly visibilityMs?: number;
}

export interface TailOptions {
  readonly signal?: AbortSignal;
  /** The id of an event after which to go on. */
  readonly cursor?: string;
  /** Told each time that the stream is lost and opened again; without an error the node ended it. */
  onBreak?(error: RonClientError | undefined): void;
}

export interface SubscribeOptions extends TailOptions {
  /** Messages under way at a time, neither acknowledged nor given back; 1 to 100. */
  readonly credit?: number;
  readonly visibilityMs?: number;
  /** Ends after so many messages; the node leases no further one for it. */
  readonly max?: number;
}

export type MessageHandler = (message: ReceivedMessage, context: { readonly signal: AbortSignal }) => unknown;

export interface ProcessOptions {
  /** Stops the loop. */
  readonly signal: AbortSignal;
  /** Handlers at a time, 1 to 100; default 1. */
  readonly concurrency?: number;
  /**
   * Default 30 000. Extended by itself for as long as the handler runs, so one that never ends keeps its message; what a
   * dead worker held comes back after this time.
   */
  readonly visibilityMs?: number;
  /** Milliseconds of one long poll; default 20 000. */
  readonly waitMs?: number;
  /** Milliseconds that running handlers get after `signal`; then their messages are given back. Default 30 000. */
  readonly drainMs?: number;
  /** Told of everything that went wrong and is tried again: a failed handler, a lost lease, a node that does not answer. */
  onError?(error: unknown, message?: ReceivedMessage): void;
  /** Extends the leases; default: a thread in Node, this loop elsewhere. A given one stays open. */
  readonly keeper?: LeaseKeeper;
}

/** A box of messages: at least once delivered, gone when acknowledged. Every call rejects with `RonClientError`. */
export interface Mailbox {
  readonly box: string;
  send(body: MessageBody, options?: SendOptions): Promise<Sent>;
  /** Leases messages. An answer that is lost on the way costs one delivery: its leases run out by themselves. */
  recv(options?: ReceiveOptions): Promise<ReceivedMessage[]>;
  /** Done: the message is gone. Rejects with `conflict` when none of the leases was good, here and below. */
  ack(leases: string | readonly string[], options?: CallOptions): Promise<LeaseResult[]>;
  /** Not done: again after `delayMs`, or after the node's backoff. */
  nack(
    leases: string | readonly string[],
    options?: CallOptions & { readonly delayMs?: number; readonly reason?: string },
  ): Promise<LeaseResult[]>;
  /** The leases last `visibilityMs` from now on. */
  extend(leases: string | readonly string[], visibilityMs: number, options?: CallOptions): Promise<LeaseResult[]>;
  /** Messages as they come, leased, until the signal. Settle each one: `credit` of them are under way at a time. */
  subscribe(options?: SubscribeOptions): AsyncIterable<ReceivedMessage>;
  /** What is sent from now on, without taking it from anybody. */
  tail(options?: TailOptions): AsyncIterable<Message>;
  /**
   * Works until `signal`: runs the handler on each message, acknowledges it when the handler resolves, gives it back with
   * the error's text when it rejects. The handler's signal aborts when the message is no longer its own. Rejects when
   * the node refuses for good, as with a capability that does not cover the box.
   */
  process(handler: MessageHandler, options: ProcessOptions): Promise<void>;
  /** A message in any state, a dead letter too. */
  remove(id: string, options?: CallOptions): Promise<void>;
  stats(options?: CallOptions): Promise<BoxStats>;
  /** Oldest first. */
  deadLetters(options?: CallOptions): AsyncIterable<DeadLetter>;
  /** Dead letters back into the box, with fresh attempts: these, or the oldest thousand. */
  redrive(ids?: readonly string[], options?: CallOptions): Promise<{ redriven: number; left: number }>;
  /** Dead letters gone for good: these, or the oldest thousand. */
  purge(ids?: readonly string[], options?: CallOptions): Promise<{ purged: number; left: number }>;
}
