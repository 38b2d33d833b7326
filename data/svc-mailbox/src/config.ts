import { type Static, Type } from 'typebox';

const dayMs = 86_400_000;

/** The `[mailbox]` table of the configuration file. */
export const MailboxConfig = Type.Object(
  {
    visibility_default_ms: Type.Integer({
      minimum: 250,
      maximum: 43_200_000,
      default: 30_000,
      unit: 'ms',
      reload: true,
      description: 'how long a lease lasts when the receiver does not say',
    }),
    attempts_max: Type.Integer({
      minimum: 1,
      maximum: 1_000,
      default: 5,
      unit: 'count',
      reload: true,
      description: 'deliveries after which a message becomes a dead letter; for messages sent from then on',
    }),
    retention_ms: Type.Integer({
      minimum: 60_000,
      maximum: 365 * dayMs,
      default: 7 * dayMs,
      unit: 'ms',
      reload: true,
      description: 'how long a message is kept that nobody settles; for messages sent from then on',
    }),
    dead_retention_ms: Type.Integer({
      minimum: 60_000,
      maximum: 365 * dayMs,
      default: 14 * dayMs,
      unit: 'ms',
      reload: true,
      description: 'how long a dead letter is kept; for messages sent from then on',
    }),
    idempotency_window_ms: Type.Integer({
      minimum: 60_000,
      maximum: 365 * dayMs,
      default: dayMs,
      unit: 'ms',
      reload: true,
      description: 'how long the key of a send is remembered',
    }),
    idempotency_keys_max: Type.Integer({
      minimum: 1,
      maximum: 100_000_000,
      default: 2_000_000,
      unit: 'count',
      reload: true,
      description: 'keys remembered, about 75 bytes each; past it, a send with a key gets quota_exhausted',
    }),
    tenant_messages_max: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 1_000_000,
      unit: 'count',
      reload: true,
      description: 'messages of one tenant, dead letters included; past it, a send gets quota_exhausted',
    }),
    tenant_bytes_max: Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      default: 1_073_741_824,
      unit: 'bytes',
      reload: true,
      description: 'bytes of bodies and headers of one tenant; past it, a send gets quota_exhausted',
    }),
    tenant_boxes_max: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 100_000,
      unit: 'count',
      reload: true,
      description: 'boxes of one tenant; past it, a send to a new one gets quota_exhausted',
    }),
    messages_max: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 4_000_000,
      unit: 'count',
      reload: true,
      description: 'messages of all tenants, about 500 bytes of memory each; past it, a send gets insufficient_storage',
    }),
    boxes_max: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 1_000_000,
      unit: 'count',
      reload: true,
      description: 'boxes of all tenants; past it, a send to a new one gets insufficient_storage',
    }),
    waiters_max: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 2_048,
      unit: 'count',
      reload: true,
      description: 'receivers and subscriptions of one tenant that wait at a time; past it, they get quota_exhausted',
    }),
  },
  { additionalProperties: false },
);
export type MailboxConfig = Static<typeof MailboxConfig>;
