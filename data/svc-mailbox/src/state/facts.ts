import type { IdempotencyKey } from './command.ts';
import type { Message, MessageState } from './message.ts';

/** What must be remembered of a key: it outlives its message. */
export interface KeptKey extends IdempotencyKey {
  readonly untilMs: number;
}

/**
 * Told of every change that a command makes, in order, at the moment when the message shows it. What time alone does
 * (leases and delays that end, messages that expire) is not told: it follows from what was.
 */
export interface FactSink {
  sent(message: Message, key: KeptKey | undefined): void;
  /** Everything in `Standing` may have changed. */
  changed(message: Message): void;
  gone(message: Message): void;
}

/** What changes in the life of a message, as absolute values: applying one twice, or after a lost one, does no harm. */
export type Standing = Pick<
  Message,
  'order' | 'dueMs' | 'expiresMs' | 'attempt' | 'fence' | 'nonce' | 'failures' | 'cause' | 'deadWallMs'
> & { readonly state: Exclude<MessageState, 'gone'> };

export const noFacts: FactSink = { sent: () => undefined, changed: () => undefined, gone: () => undefined };
