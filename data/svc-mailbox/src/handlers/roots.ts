import { RonError } from '@ron/proto/errors';
import type { MailboxEngine } from '../engine/engine.ts';
import { encodePosition, parsePosition } from '../requests/cursor.ts';
import type { MailboxHandler } from './handler.ts';

const limit = 1_000;

export function createRoots(mailboxes: MailboxEngine): MailboxHandler<'roots'> {
  return async ({ cursor }) => {
    // What is answered is relied upon: nothing that a crash, or a log that failed, could bring back may be left out.
    if (cursor === undefined) await mailboxes.recordTime();
    if (mailboxes.failure !== undefined) throw new RonError('unavailable', 'the messages cannot be known for certain');
    const after = cursor === undefined ? undefined : parsePosition(cursor);
    const { items, next } = await mailboxes.roots(after, limit);
    const roots = items.map(({ box, id, address }) => ({ box, id, address }));
    return next === undefined ? { roots } : { roots, cursor: encodePosition(next) };
  };
}
