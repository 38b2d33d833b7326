import { type DeadMessage, mailboxLimits } from '@ron/proto/mailbox';
import type { DeadLetter, MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf } from '../requests/box-key.ts';
import { encodePosition, parsePosition } from '../requests/cursor.ts';
import { wireDeadLetter } from '../requests/wire-message.ts';
import type { MailboxHandler } from './handler.ts';
import { noSuchBox } from './stats.ts';

const limitDefault = 20;

/** A page is shorter than asked for when its messages are large: it fits into one frame. */
export function createDeadLetters(mailboxes: MailboxEngine): MailboxHandler<'dead_letters'> {
  return async ({ box, cursor, limit = limitDefault }, { context }) => {
    const after = cursor === undefined ? undefined : parsePosition(cursor);
    const page = await mailboxes.deadLetters(boxKeyOf(box, context), after, limit, mailboxLimits.replyBytesMax);
    if (page === undefined) throw noSuchBox();
    const messages: DeadMessage[] = [];
    let jsonBytes = 0;
    let last: DeadLetter | undefined;
    for (const letter of page.items) {
      const message = wireDeadLetter(letter);
      jsonBytes += Buffer.byteLength(JSON.stringify(message));
      if (last !== undefined && jsonBytes > mailboxLimits.replyBytesMax) {
        return { messages, cursor: encodePosition(last) };
      }
      messages.push(message);
      last = letter;
    }
    return page.next === undefined ? { messages } : { messages, cursor: encodePosition(page.next) };
  };
}
