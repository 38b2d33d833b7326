import { mailboxLimits } from '@ron/proto/mailbox';
import type { MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf } from '../requests/box-key.ts';
import type { MailboxHandler } from './handler.ts';
import { noSuchBox } from './stats.ts';

export function createPurge(mailboxes: MailboxEngine): MailboxHandler<'purge'> {
  return async ({ box, ids }, { context }) => {
    const command = { op: 'purge', ...boxKeyOf(box, context), ids, max: mailboxLimits.pageMax } as const;
    const outcome = await mailboxes.execute(command);
    if (outcome === undefined) throw noSuchBox();
    return { purged: outcome.moved, left: outcome.left };
  };
}
