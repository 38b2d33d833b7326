import type { Env } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf, refusal } from '../requests/box-key.ts';
import { parseContent } from '../requests/content.ts';
import { idempotencyKeyOf } from '../requests/idempotency-key.ts';
import type { MessageIds } from '../requests/message-ids.ts';
import type { Outcomes } from '../state/command.ts';
import type { MailboxHandler } from './handler.ts';

type Refused = Extract<Outcomes['send'], { ok: false }>;

/** How long a sender waits before it tries a full box again: nobody knows when room comes. */
const retryAfterMs = 1_000;

/** The key stands in the body or in the Idempotency-Key header; both only when they agree. */
export function createSend(
  mailboxes: MailboxEngine,
  ids: MessageIds,
  { clock, work }: Pick<Env, 'clock' | 'work'>,
): MailboxHandler<'send'> {
  return async (input, { context }) => {
    const { idempotency_key: key = context.idempotencyKey } = input;
    if (context.idempotencyKey !== undefined && key !== context.idempotencyKey) {
      throw refusal('idempotency_key', 'two different idempotency keys');
    }
    if (input.ttl_ms !== undefined && (input.delay_ms ?? 0) >= input.ttl_ms) {
      throw refusal('ttl_ms', 'the message would expire before its delay is over');
    }
    if (input.group?.isWellFormed() === false) throw refusal('group', 'the group is not well-formed Unicode');
    const send = {
      op: 'send',
      ...boxKeyOf(input.box, context),
      sentWallMs: Math.max(0, Math.floor(clock.wallMs())),
      ...parseContent(input),
      delayMs: input.delay_ms ?? 0,
      ttlMs: input.ttl_ms,
      deadOnExpiry: input.dead_letter_on_expiry ?? false,
      group: input.group,
      priority: input.priority ?? 0,
    } as const;
    const windowMs = input.idempotency_window_ms;
    const keyed = key === undefined ? undefined : { ...idempotencyKeyOf(work, key, send), windowMs };
    const outcome = await mailboxes.execute({ ...send, id: ids.next(), key: keyed });
    if (!outcome.ok) throw refused(outcome);
    const { durability } = mailboxes;
    return { id: outcome.id, duplicate: outcome.duplicate, durability };
  };
}

function refused({ refusal: reason, retryAfterMs: exactMs }: Refused): RonError {
  const details = { limit: reason };
  const options = { retryAfterMs: exactMs ?? retryAfterMs, details };
  switch (reason) {
    case 'key-conflict':
      return new RonError('conflict', 'this idempotency key was used with another message');
    case 'tenant-messages':
      return new RonError('quota_exhausted', 'the tenant has as many messages as it may: receive some first', options);
    case 'tenant-bytes':
      return new RonError('quota_exhausted', 'the messages of the tenant are as large as they may be', options);
    case 'tenant-boxes':
      return new RonError('quota_exhausted', 'the tenant has messages in as many boxes as it may', options);
    case 'keys':
      return new RonError('quota_exhausted', 'too many idempotency keys are remembered: send without one', options);
    case 'messages':
    case 'bytes':
    case 'boxes':
      return new RonError('insufficient_storage', 'the mailboxes of this node are full', { details });
  }
}
