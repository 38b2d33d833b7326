import type { MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf } from '../requests/box-key.ts';
import type { MailboxHandler } from './handler.ts';
import { wireStats } from './stats.ts';

const limitDefault = 50;

/** The cursor is the name of the last box. */
export function createBoxes(mailboxes: MailboxEngine): MailboxHandler<'boxes'> {
  return async ({ cursor, limit = limitDefault }, { context }) => {
    if (cursor !== undefined) boxKeyOf(cursor, context);
    const boxes = (await mailboxes.boxes(context.tenant, cursor, limit)).map(wireStats);
    const last = boxes.at(-1);
    return boxes.length === limit && last !== undefined ? { boxes, cursor: last.box } : { boxes };
  };
}
