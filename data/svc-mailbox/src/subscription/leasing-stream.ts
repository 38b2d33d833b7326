import type { CallContext } from '@ron/proto/contract';
import { mailboxLimits } from '@ron/proto/mailbox';
import type { Receiving } from '../handlers/recv.ts';
import { badCursor } from '../requests/cursor.ts';
import { wireMessage } from '../requests/wire-message.ts';
import type { BoxKey } from '../state/command.ts';
import { encodeLease, parseLease } from '../state/lease-token.ts';
import { waitFor } from '../waiting.ts';
import { encodeEvent, keepAlive, openingEvent, Quiet, streamBytesMax } from './event-stream.ts';
import type { Outstanding } from './outstanding.ts';
import type { Subscriptions } from './subscriptions.ts';

export interface LeasingRequest {
  readonly key: BoxKey;
  readonly credit: number;
  readonly visibilityMs: number;
  /** Events after which the stream ends. */
  readonly max: number;
  readonly seen: SeenEvent | undefined;
}

/** The subscription of a cursor, and the last of its events that the client has seen. */
export interface SeenEvent {
  readonly id: string;
  readonly number: number;
}

const cursorForm = /^s\.([0-7][0-9A-HJKMNP-TV-Z]{25})\.([0-9]{1,15})$/;

/** Throws `bad_request` for what no subscription has given out. */
export function parseLeasingCursor(cursor: string): SeenEvent {
  const [, id, number] = cursorForm.exec(cursor) ?? [];
  if (id === undefined) throw badCursor();
  return { id, number: Number(number) };
}

/** Pushes messages as they come, each leased, never more than the credit of them unsettled. */
export async function* leasingStream(
  receiving: Receiving,
  subscriptions: Subscriptions,
  request: LeasingRequest,
  context: CallContext,
): AsyncGenerator<Uint8Array, void> {
  const { mailboxes, ids, clock } = receiving;
  const { key, credit, visibilityMs, seen } = request;
  const known = seen === undefined ? undefined : subscriptions.resume(seen.id, key);
  const outstanding = known ?? subscriptions.open(ids.next(), key);
  const isMine = outstanding.begin();
  /** The last event that left. All before it are the client's. */
  let leftNumber = known === undefined || seen === undefined ? 0 : seen.number;
  let left = request.max;
  const quiet = new Quiet(clock);
  try {
    await release(receiving, subscriptions, outstanding, outstanding.pushedAfter(leftNumber));
    yield openingEvent;
    while (left > 0 && isMine() && !context.signal.aborted && mailboxes.failure === undefined) {
      subscriptions.prune(outstanding);
      const max = Math.min(credit - outstanding.count, mailboxLimits.messagesMax, left);
      const bytesMax = streamBytesMax;
      const messages =
        max <= 0
          ? []
          : await mailboxes.receive({ op: 'receive', ...key, max, bytesMax, visibilityMs, nonce: ids.nonce() });
      if (!isMine()) {
        await release(receiving, subscriptions, outstanding, messages.map(encodeLease));
        return;
      }
      // All are noted before the first leaves, so that those that never do are known.
      const events = messages.map((message) => {
        const wire = wireMessage(message, visibilityMs);
        return { wire, number: subscriptions.pushed(outstanding, wire.lease, visibilityMs) };
      });
      for (const { wire, number } of events) {
        if (!isMine() || context.signal.aborted) return;
        leftNumber = number;
        left -= 1;
        quiet.over();
        yield encodeEvent(`s.${outstanding.id}.${number}`, wire);
      }
      if (events.length > 0) continue;
      if (quiet.leftMs > 0) {
        await somethingNew(receiving, outstanding, max > 0, quiet.leftMs, context);
        continue;
      }
      quiet.over();
      yield keepAlive;
    }
  } finally {
    if (isMine()) {
      const unsent = outstanding.pushedAfter(leftNumber);
      subscriptions.rest(outstanding);
      await release(receiving, subscriptions, outstanding, unsent);
    }
  }
}

/** Back into the box at once, as if they had never been leased. */
async function release(
  { mailboxes }: Receiving,
  subscriptions: Subscriptions,
  { key }: Outstanding,
  leases: readonly string[],
): Promise<void> {
  if (leases.length === 0) return;
  subscriptions.settled(leases);
  // Each goes to the front: the last first, so that they are in their order again.
  await mailboxes.execute({ op: 'release', ...key, leases: leases.map(parseLease).toReversed() });
}

/** A message when there is room for it, room for one more, a lease that ran out, or the time for a sign of life. */
async function somethingNew(
  { mailboxes, clock }: Receiving,
  outstanding: Outstanding,
  hasRoom: boolean,
  quietMs: number,
  { signal }: CallContext,
): Promise<void> {
  const untilEndMs = hasRoom ? Number.POSITIVE_INFINITY : outstanding.nextEndMs - clock.monotonicMs();
  await waitFor(clock, Math.max(0, Math.min(quietMs, untilEndMs)), signal, (wake) => {
    const changing = outstanding.onChange(wake);
    const watching = hasRoom ? mailboxes.watch(outstanding.key, wake) : undefined;
    return {
      [Symbol.dispose]() {
        changing[Symbol.dispose]();
        watching?.[Symbol.dispose]();
      },
    };
  });
}
