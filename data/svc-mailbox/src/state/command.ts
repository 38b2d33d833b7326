import type { Content } from './body.ts';
import type { Message } from './message.ts';

/** Names a box: boxes of different tenants have nothing to do with each other. */
export interface BoxKey {
  readonly tenant: string;
  readonly box: string;
}

/** Sixteen bytes each, as binary strings of 16 characters. */
export interface IdempotencyKey {
  /** Of the tenant, the box and the sender's key. */
  readonly hash: string;
  /** Of everything else that the sender asked for. */
  readonly digest: string;
  /** Undefined, or longer than configured: as configured. */
  readonly windowMs?: number | undefined;
}

export interface Send extends BoxKey {
  readonly op: 'send';
  /** A ULID, used unless the message turns out to be a duplicate. */
  readonly id: string;
  readonly sentWallMs: number;
  readonly content: Content;
  /** Bytes of body and headers, for budgets. */
  readonly sizeBytes: number;
  /** Bytes of body and headers as JSON, for answers. */
  readonly jsonBytes: number;
  readonly key: IdempotencyKey | undefined;
  readonly delayMs: number;
  readonly ttlMs: number | undefined;
  readonly deadOnExpiry: boolean;
  readonly group: string | undefined;
  readonly priority: number;
}

export interface Receive extends BoxKey {
  readonly op: 'receive';
  readonly max: number;
  /** Stops before the message that would take the sum of `jsonBytes` past this; the first always comes. */
  readonly bytesMax: number;
  readonly visibilityMs: number;
  /** Unguessable part of the tokens: 32 random bits. */
  readonly nonce: number;
}

/** A parsed lease token. */
export interface LeaseRef {
  readonly id: string;
  readonly fence: number;
  readonly nonce: number;
}

/** `undefined` stands for a token that cannot be parsed: it counts as stale. */
export type LeaseRefs = readonly (LeaseRef | undefined)[];

export interface Ack extends BoxKey {
  readonly op: 'ack';
  readonly leases: LeaseRefs;
}

export interface Nack extends BoxKey {
  readonly op: 'nack';
  readonly leases: LeaseRefs;
  /** Undefined: the backoff decides. */
  readonly delayMs: number | undefined;
  readonly reason: string | undefined;
}

/** Gives leases back as if they had never been taken: no attempt is counted, the message is ready at once. */
export interface Release extends BoxKey {
  readonly op: 'release';
  readonly leases: LeaseRefs;
}

export interface Extend extends BoxKey {
  readonly op: 'extend';
  readonly leases: LeaseRefs;
  readonly visibilityMs: number;
}

export interface Remove extends BoxKey {
  readonly op: 'remove';
  readonly id: string;
}

/** Without `ids`: the oldest `max`. */
export interface Redrive extends BoxKey {
  readonly op: 'redrive';
  readonly ids: readonly string[] | undefined;
  readonly max: number;
}

export interface Purge extends BoxKey {
  readonly op: 'purge';
  readonly ids: readonly string[] | undefined;
  readonly max: number;
}

/** The stored bytes of a message turned out to be bad: it becomes a dead letter that says so. */
export interface Quarantine extends BoxKey {
  readonly op: 'quarantine';
  readonly id: string;
}

export type Command = Send | Receive | Ack | Nack | Release | Extend | Remove | Redrive | Purge | Quarantine;

/** Why a `send` was not taken: see `Outcomes.send`. */
export type SendRefusal =
  /** The same key, other content. */
  | 'key-conflict'
  /** The tenant holds as many messages, bytes or boxes as it may. */
  | 'tenant-messages'
  | 'tenant-bytes'
  | 'tenant-boxes'
  /** The node does. */
  | 'messages'
  | 'bytes'
  | 'boxes'
  /** As many idempotency keys are remembered as may be; `retryAfterMs` says when the oldest is forgotten. */
  | 'keys';

export interface Outcomes {
  send:
    | { readonly ok: true; readonly id: string; readonly duplicate: boolean }
    | { readonly ok: false; readonly refusal: SendRefusal; readonly retryAfterMs?: number };
  receive: readonly Delivered[];
  /** One for each lease, in order: whether it was good. */
  ack: readonly boolean[];
  nack: readonly boolean[];
  release: readonly boolean[];
  extend: readonly boolean[];
  /** False: no such message in this box. */
  remove: boolean;
  /** Undefined: no such box. Ids that name no dead letter of it are passed over. */
  redrive: { readonly moved: number; readonly left: number } | undefined;
  purge: { readonly moved: number; readonly left: number } | undefined;
  quarantine: boolean;
}

/** A lease as it was given. The message itself may have moved on when this is read. */
export interface Delivered {
  readonly message: Message;
  readonly attempt: number;
  readonly fence: number;
  readonly nonce: number;
}

export type OutcomeOf<C extends Command> = Outcomes[C['op']];
