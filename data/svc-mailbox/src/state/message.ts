import type { Content } from './body.ts';
import type { Box } from './box.ts';
import type { Group } from './group.ts';
import type { BoxLinks, BoxList, LaneLinks, LaneList } from './message-list.ts';
import type { TimerNode } from './timer-wheel.ts';

export type MessageState = 'ready' | 'delayed' | 'leased' | 'dead' | 'gone';

/** How a delivery ended that did not settle the message. */
export interface Failure {
  readonly attempt: number;
  readonly wallMs: number;
  readonly outcome: 'expired' | 'nack';
  readonly reason: string | undefined;
}

/** Failures that a message remembers, the latest of them. */
export const failuresMax = 16;

export type DeathCause = 'attempts' | 'expired' | 'damaged';

/** What never changes about a message. Times are those of the mailbox clock, milliseconds, unless their name says wall. */
export interface Origin {
  readonly id: string;
  readonly sentWallMs: number;
  readonly sentMs: number;
  readonly sizeBytes: number;
  readonly jsonBytes: number;
  /** Set when the body is an object of its own. */
  readonly address: string | undefined;
  readonly group: string | undefined;
  readonly priority: number;
  readonly deadOnExpiry: boolean;
  /** As configured when it was sent, so that a change of the configuration does not change what a replay comes to. */
  readonly attemptsMax: number;
  readonly deadRetentionMs: number;
  readonly retentionMs: number;
}

/** One message, owned by the machine; everyone else only reads it. */
export class Message implements TimerNode, LaneLinks<Message>, BoxLinks<Message> {
  readonly origin: Origin;
  readonly box: Box;
  /** In memory; undefined when only the log has it. */
  content: Content | undefined;
  /** Where the log has it: the engine's own. */
  segment = -1;
  offsetBytes = 0;
  payloadBytes = 0;

  state: MessageState = 'ready';
  /** Place in the order of the box; a new one after a redrive. */
  order: number;
  /** Delayed: ready from then on. Leased: the lease ends. Dead: forgotten. */
  dueMs = 0;
  /** Nobody gets it any more from then on. */
  expiresMs: number;
  attempt = 0;
  fence = 0;
  nonce = 0;
  failures: readonly Failure[] = noFailures;
  cause: DeathCause | undefined = undefined;
  deadWallMs = 0;

  wheelDueMs = 0;
  wheelOrder = 0;
  wheelSlot = -1;
  wheelPrev: TimerNode | undefined = undefined;
  wheelNext: TimerNode | undefined = undefined;
  lane: LaneList<Message> | undefined = undefined;
  lanePrev: Message | undefined = undefined;
  laneNext: Message | undefined = undefined;
  boxList: BoxList<Message> | undefined = undefined;
  boxPrev: Message | undefined = undefined;
  boxNext: Message | undefined = undefined;
  group: Group | undefined = undefined;
  groupPrev: Message | undefined = undefined;
  groupNext: Message | undefined = undefined;

  constructor(origin: Origin, box: Box, content: Content | undefined, order: number, expiresMs: number) {
    this.origin = origin;
    this.box = box;
    this.content = content;
    this.order = order;
    this.expiresMs = expiresMs;
  }

  get id(): string {
    return this.origin.id;
  }
}

export const noFailures: readonly Failure[] = [];
