import type { MailboxEngine } from '../engine/engine.ts';
import { encodePosition, parsePosition } from '../requests/cursor.ts';
import type { MailboxHandler } from './handler.ts';

const limit = 1_000;

export function createRoots(mailboxes: MailboxEngine): MailboxHandler<'roots'> {
  return ({ cursor }) => {
    const { items, next } = mailboxes.roots(cursor === undefined ? undefined : parsePosition(cursor), limit);
    const roots = items.map(({ box, id, address }) => ({ box, id, address }));
    return next === undefined ? { roots } : { roots, cursor: encodePosition(next) };
  };
}
