import { type Static, type TSchema, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Address, Bytes, Count, Cursor, Durability, DurationMs, NameText, strict, TimeMs } from './fields.ts';

/** Limits of one mailbox request; each has tests at −1, 0 and +1. */
export const mailboxLimits = {
  /** Bytes of an inline body: UTF-8 of `body`, decoded bytes of `body_base64`. */
  bodyBytesMax: 262_144,
  /** Bytes of an inline body as JSON, so that a message always fits into one frame of 1 MiB. */
  bodyJsonBytesMax: 786_432,
  /** Bytes of the bodies that one `recv` answers with, as JSON; one message always comes. */
  replyBytesMax: 786_432,
  headersMax: 16,
  headerNameMax: 64,
  /** UTF-8 bytes of all names and values. */
  headersBytesMax: 4_096,
  messagesMax: 100,
  waitMsMax: 30_000,
  visibilityMsMin: 250,
  visibilityMsMax: 43_200_000,
  /** A delay, of a `send` or a `nack`. */
  delayMsMax: 43_200_000,
  ttlMsMax: 604_800_000,
  priorityMax: 9,
  /** Unsettled messages of one subscription. */
  creditMax: 100,
  reasonMax: 256,
  /** How long a key is remembered when its sender needs it only for repeats of one call. */
  windowMsMin: 1_000,
  windowMsMax: 86_400_000,
  pageMax: 1_000,
} as const;

const limit = mailboxLimits;

/** One label of the grammar of names: `orders`, `orders.eu`. The grammar itself is checked by `@ron/naming`. */
export const BoxName = Type.String({ minLength: 1, maxLength: 63, description: 'one label of the grammar of names' });
/** A ULID: 26 characters of Crockford's base 32, upper case. */
export const MessageId = Type.String({ pattern: '^[0-7][0-9A-HJKMNP-TV-Z]{25}$', description: 'a ULID' });
/** Opaque fencing token: it ends with the lease that it stands for, and never comes back. */
export const LeaseToken = Type.String({ minLength: 1, maxLength: 128 });

const Leases = Type.Array(LeaseToken, { minItems: 1, maxItems: limit.messagesMax });
const Ids = Type.Array(MessageId, { minItems: 1, maxItems: limit.pageMax });
const VisibilityMs = Type.Integer({ minimum: limit.visibilityMsMin, maximum: limit.visibilityMsMax });
const Headers = Type.Record(
  Type.String({ pattern: '^[a-z0-9_.-]{1,64}$' }),
  Type.String({ maxLength: limit.headersBytesMax }),
  { maxProperties: limit.headersMax, additionalProperties: false },
);
const Page = { cursor: Type.Optional(Cursor), limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })) };

/** Exactly one of the three. */
const bodyFields = {
  // Longer ones are refused by what counts bytes, with `payload_too_large` and the way out.
  body: Type.Optional(
    Type.String({ maxLength: limit.bodyJsonBytesMax, description: 'text, at most 256 KiB of UTF-8' }),
  ),
  body_base64: Type.Optional(
    Type.String({ maxLength: limit.bodyJsonBytesMax, description: 'at most 256 KiB as base64 (RFC 4648, 4), padded' }),
  ),
  address: Type.Optional(Address),
};

const sentFields = {
  id: MessageId,
  ...bodyFields,
  headers: Type.Optional(Headers),
  group: Type.Optional(NameText),
  priority: Type.Integer({ minimum: 0, maximum: limit.priorityMax }),
  sent_at: TimeMs,
  attempt: Type.Integer({ minimum: 0, description: 'deliveries so far, this one included' }),
};

export const Message = Type.Object(
  {
    ...sentFields,
    lease: LeaseToken,
    fence: Type.Integer({ minimum: 1, description: 'grows with each lease of this message, never goes back' }),
    lease_ms: DurationMs,
  },
  strict,
);
export type Message = Static<typeof Message>;

const Delivery = Type.Object(
  {
    attempt: Type.Integer({ minimum: 1 }),
    at: TimeMs,
    outcome: Type.Union([Type.Literal('lease_ended'), Type.Literal('nack')]),
    reason: Type.Optional(Type.String({ maxLength: limit.reasonMax })),
  },
  strict,
);

export const DeadReason = Type.Union([Type.Literal('attempts'), Type.Literal('expired'), Type.Literal('damaged')], {
  description: 'too many deliveries; its time to live or the retention ran out; its record was damaged on the disk',
});

export const DeadMessage = Type.Object(
  { ...sentFields, reason: DeadReason, dead_at: TimeMs, history: Type.Array(Delivery, { maxItems: 16 }) },
  strict,
);
export type DeadMessage = Static<typeof DeadMessage>;

/** The outcome for one lease. `error` says why nothing changed. */
const LeaseResult = Type.Object(
  { lease: LeaseToken, ok: Type.Boolean(), error: Type.Optional(Type.Literal('conflict')) },
  strict,
);
const LeaseResults = Type.Object({ results: Type.Array(LeaseResult, { maxItems: limit.messagesMax }) }, strict);

export const BoxStats = Type.Object(
  {
    box: BoxName,
    /** Deliverable now, those that wait behind another of their group included. */
    ready: Count,
    /** Not before a delay or a backoff has passed. */
    delayed: Count,
    in_flight: Count,
    dead: Count,
    /** Of the bodies and headers of all of them. */
    bytes: Bytes,
    /** Since the oldest message that is not dead was sent; 0 without one. */
    oldest_age_ms: DurationMs,
    /** The rest counts since the node started. */
    sent: Count,
    duplicates: Count,
    delivered: Count,
    redelivered: Count,
    acked: Count,
    expired: Count,
    deleted: Count,
  },
  strict,
);
export type BoxStats = Static<typeof BoxStats>;

const box = { box: BoxName };
const read = [{ method: 'read', resource: 'box/{box}' }] as const;
const write = [{ method: 'write', resource: 'box/{box}' }] as const;
const remove = [{ method: 'delete', resource: 'box/{box}' }] as const;

function post<const S extends string, const I extends TSchema, const O extends TSchema>(
  path: S,
  summary: string,
  input: I,
  output: O,
) {
  return { summary, input, output, http: [{ method: 'POST', path, json: true, reply: 'json' }] } as const;
}

/**
 * The operations of a mailbox, the same for the service and for the gateway in front of it. Stale, foreign and reused
 * leases are `conflict` and change nothing: as an entry of the results, and as the answer when no lease was good.
 */
export const mailboxOperations = {
  send: {
    ...post(
      '/mailbox/:box/send',
      'Put a message into a box. The same key and content within 24 h: the same id, `duplicate`; other content: conflict',
      Type.Object(
        {
          ...box,
          ...bodyFields,
          headers: Type.Optional(Headers),
          idempotency_key: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
          idempotency_window_ms: Type.Optional(
            Type.Integer({
              minimum: limit.windowMsMin,
              maximum: limit.windowMsMax,
              description: 'how long the key is remembered; the node’s 24 h when that is less, or without it',
            }),
          ),
          delay_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: limit.delayMsMax })),
          ttl_ms: Type.Optional(Type.Integer({ minimum: 1, maximum: limit.ttlMsMax })),
          dead_letter_on_expiry: Type.Optional(Type.Boolean()),
          group: Type.Optional(NameText),
          priority: Type.Optional(Type.Integer({ minimum: 0, maximum: limit.priorityMax })),
        },
        strict,
      ),
      Type.Object({ id: MessageId, duplicate: Type.Boolean(), durability: Durability }, strict),
    ),
    errors: ['conflict', 'not_found', 'payload_too_large', 'insufficient_storage'],
    scopes: write,
    mutation: true,
    idempotency: 'handler',
  },
  recv: {
    ...post(
      '/mailbox/:box/recv',
      'Lease messages; waits up to `wait_ms` for the first. A box that nobody has sent to is an empty one',
      Type.Object(
        {
          ...box,
          max: Type.Optional(Type.Integer({ minimum: 1, maximum: limit.messagesMax })),
          wait_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: limit.waitMsMax })),
          visibility_ms: Type.Optional(VisibilityMs),
        },
        strict,
      ),
      Type.Object({ messages: Type.Array(Message, { maxItems: limit.messagesMax }) }, strict),
    ),
    errors: ['insufficient_storage'],
    scopes: read,
    waits: 'wait_ms',
    leases: true,
    limits: { timeoutMs: limit.waitMsMax + 10_000 },
  },
  ack: {
    ...post(
      '/mailbox/:box/ack',
      'Done: the messages are gone for good',
      Type.Object({ ...box, leases: Leases }, strict),
      LeaseResults,
    ),
    errors: ['conflict', 'insufficient_storage'],
    scopes: read,
    frees: true,
    mutation: true,
  },
  nack: {
    ...post(
      '/mailbox/:box/nack',
      'Not done: back into the box after `delay_ms`, or after the backoff',
      Type.Object(
        {
          ...box,
          leases: Leases,
          delay_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: limit.delayMsMax })),
          reason: Type.Optional(Type.String({ maxLength: limit.reasonMax })),
        },
        strict,
      ),
      LeaseResults,
    ),
    errors: ['conflict', 'insufficient_storage'],
    scopes: read,
    frees: true,
    mutation: true,
  },
  extend: {
    ...post(
      '/mailbox/:box/extend',
      'Leases last for `visibility_ms` from now on',
      Type.Object({ ...box, leases: Leases, visibility_ms: VisibilityMs }, strict),
      LeaseResults,
    ),
    errors: ['conflict', 'insufficient_storage'],
    scopes: read,
    // It frees nothing, but to refuse it makes work: the messages are delivered once more.
    shedAs: 'free',
    mutation: true,
  },
  remove: {
    summary: 'Remove a message in any state, a dead letter too. A lease on it ends',
    input: Type.Object({ ...box, id: MessageId }, strict),
    output: Type.Object({ id: MessageId }, strict),
    errors: ['not_found', 'insufficient_storage'],
    scopes: remove,
    frees: true,
    mutation: true,
    audit: { level: 'event', input: ['box', 'id'] },
    http: [{ method: 'DELETE', path: '/mailbox/:box/:id', reply: 'json' }],
  },
  subscribe: {
    summary:
      'Server-sent events, one a message. Leased ones by default, `credit` of them unsettled at a time; with `peek` a view of what is sent that leases nothing. `cursor` resumes after the event with that id',
    input: Type.Object(
      {
        ...box,
        credit: Type.Optional(Type.Integer({ minimum: 1, maximum: limit.creditMax })),
        visibility_ms: Type.Optional(VisibilityMs),
        max: Type.Optional(
          Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'the stream ends after so many' }),
        ),
        peek: Type.Optional(Type.Boolean()),
        cursor: Type.Optional(Cursor),
      },
      strict,
    ),
    output: Type.Object(
      { content_type: Type.Literal('text/event-stream'), cache_control: Type.Literal('no-store') },
      strict,
    ),
    errors: ['insufficient_storage'],
    scopes: read,
    body: 'out',
    waits: true,
    leases: true,
    http: [
      {
        method: 'GET',
        path: '/mailbox/:box/subscribe',
        query: ['credit', 'visibility_ms', 'max', 'peek', 'cursor'],
        headers: { 'last-event-id': 'cursor' },
        replyHeaders: { content_type: 'content-type', cache_control: 'cache-control' },
        reply: 'stream',
      },
    ],
  },
  dead_letters: {
    summary: 'Dead letters, oldest first',
    input: Type.Object({ ...box, ...Page }, strict),
    output: Type.Object({ messages: Type.Array(DeadMessage), cursor: Type.Optional(Cursor) }, strict),
    errors: ['not_found'],
    scopes: read,
    costly: true,
    http: [{ method: 'GET', path: '/mailbox/:box/dlq', query: ['cursor', 'limit'], reply: 'json' }],
  },
  redrive: {
    ...post(
      '/mailbox/:box/dlq/redrive',
      'Dead letters back into the box, with fresh attempts: these, or without `ids` the oldest thousand',
      Type.Object({ ...box, ids: Type.Optional(Ids) }, strict),
      Type.Object({ redriven: Count, left: Count }, strict),
    ),
    errors: ['not_found', 'insufficient_storage'],
    scopes: write,
    mutation: true,
  },
  purge: {
    ...post(
      '/mailbox/:box/dlq/purge',
      'Dead letters gone for good: these, or without `ids` the oldest thousand',
      Type.Object({ ...box, ids: Type.Optional(Ids) }, strict),
      Type.Object({ purged: Count, left: Count }, strict),
    ),
    errors: ['not_found', 'insufficient_storage'],
    scopes: remove,
    frees: true,
    mutation: true,
    audit: { level: 'event', input: ['box', 'ids'], output: ['purged'] },
  },
  stats: {
    summary: 'Depths, ages and counts of a box',
    input: Type.Object(box, strict),
    output: BoxStats,
    errors: ['not_found'],
    scopes: read,
    http: [{ method: 'GET', path: '/mailbox/:box/stats', reply: 'json' }],
  },
  boxes: {
    summary: 'The boxes of the caller’s tenant, by name',
    input: Type.Object(Page, strict),
    output: Type.Object({ boxes: Type.Array(BoxStats), cursor: Type.Optional(Cursor) }, strict),
    errors: [],
    scopes: [{ method: 'list', resource: 'box/' }],
    costly: true,
    http: [{ method: 'GET', path: '/mailbox', query: ['cursor', 'limit'], reply: 'json' }],
  },
} as const;

export const mailboxContract = defineContract({
  name: 'mailbox',
  app: 0x0201,
  operations: {
    ...mailboxOperations,
    roots: {
      summary: 'Every address that a message stands for: what garbage collection must not take',
      input: Type.Object({ cursor: Type.Optional(Cursor) }, strict),
      output: Type.Object(
        {
          roots: Type.Array(Type.Object({ box: BoxName, id: MessageId, address: Address }, strict), {
            maxItems: 1_000,
          }),
          cursor: Type.Optional(Cursor),
        },
        strict,
      ),
      errors: [],
      scopes: [{ method: 'admin', resource: 'admin/storage' }],
    },
  },
});
