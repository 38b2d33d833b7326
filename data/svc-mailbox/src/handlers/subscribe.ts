import { RonError } from '@ron/proto/errors';
import { boxKeyOf, refusal } from '../requests/box-key.ts';
import { parsePosition } from '../requests/cursor.ts';
import { leasingStream, parseLeasingCursor } from '../subscription/leasing-stream.ts';
import { peekingStream } from '../subscription/peeking-stream.ts';
import { PlacedStream } from '../subscription/placed-stream.ts';
import type { Subscriptions } from '../subscription/subscriptions.ts';
import { tooManyWait } from '../waiting.ts';
import type { MailboxHandler } from './handler.ts';
import type { Receiving } from './recv.ts';

const creditDefault = 10;
const boxBegin = { order: 0, id: '' };
const output = { content_type: 'text/event-stream', cache_control: 'no-store' } as const;

export function createSubscribe(receiving: Receiving, subscriptions: Subscriptions): MailboxHandler<'subscribe'> {
  const { mailboxes, room, visibilityDefaultMs } = receiving;
  return async ({ box, peek, cursor, credit, visibility_ms, max }, { context }) => {
    const key = boxKeyOf(box, context);
    if (peek && (credit !== undefined || visibility_ms !== undefined || max !== undefined)) {
      throw refusal('peek', 'a view leases nothing: it takes no credit, visibility_ms or max');
    }
    let position = peek && cursor !== undefined ? parsePosition(cursor) : undefined;
    const seen = !peek && cursor !== undefined ? parseLeasingCursor(cursor) : undefined;
    if (mailboxes.failure !== undefined) {
      throw new RonError('unavailable', 'the mailboxes give nothing out any more', { retryAfterMs: 5_000 });
    }
    // What is sent once this is answered is seen.
    if (peek) position ??= (await mailboxes.peek(key, undefined, 0)).next ?? boxBegin;
    const place = room.enter(context.tenant);
    if (place === undefined) throw tooManyWait();
    const request = {
      key,
      credit: credit ?? creditDefault,
      visibilityMs: visibility_ms ?? visibilityDefaultMs(),
      max: max ?? Number.POSITIVE_INFINITY,
      seen,
    };
    const events = position
      ? peekingStream(receiving, key, position, context)
      : leasingStream(receiving, subscriptions, request, context);
    return { output, body: new PlacedStream(events, place) };
  };
}
