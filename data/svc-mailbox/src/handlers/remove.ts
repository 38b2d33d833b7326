import { RonError } from '@ron/proto/errors';
import type { MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf } from '../requests/box-key.ts';
import type { Subscriptions } from '../subscription/subscriptions.ts';
import type { MailboxHandler } from './handler.ts';

export function createRemove(mailboxes: MailboxEngine, subscriptions: Subscriptions): MailboxHandler<'remove'> {
  return async ({ box, id }, { context }) => {
    const removed = await mailboxes.execute({ op: 'remove', ...boxKeyOf(box, context), id });
    if (!removed) throw new RonError('not_found', 'there is no such message in this box');
    subscriptions.removed(id);
    return { id };
  };
}
