import type { Clock } from '@ron/kernel';
import type { CallContext } from '@ron/proto/contract';
import { mailboxLimits } from '@ron/proto/mailbox';
import type { LeasedMessage, MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf } from '../requests/box-key.ts';
import type { MessageIds } from '../requests/message-ids.ts';
import { wireMessage } from '../requests/wire-message.ts';
import type { Receive } from '../state/command.ts';
import { tooManyWait, type WaitingRoom, waitFor } from '../waiting.ts';
import type { MailboxHandler } from './handler.ts';

export interface Receiving {
  readonly mailboxes: MailboxEngine;
  readonly ids: MessageIds;
  readonly clock: Clock;
  readonly room: WaitingRoom;
  readonly visibilityDefaultMs: () => number;
}

export function createRecv(receiving: Receiving): MailboxHandler<'recv'> {
  const { ids, visibilityDefaultMs } = receiving;
  return async (input, { context }) => {
    const visibilityMs = input.visibility_ms ?? visibilityDefaultMs();
    const command = () =>
      ({
        op: 'receive',
        ...boxKeyOf(input.box, context),
        max: input.max ?? 1,
        bytesMax: mailboxLimits.replyBytesMax,
        visibilityMs,
        nonce: ids.nonce(),
      }) as const;
    const messages = await receiveOrWait(receiving, command, input.wait_ms ?? 0, context);
    return { messages: messages.map((message) => wireMessage(message, visibilityMs)) };
  };
}

async function receiveOrWait(
  receiving: Receiving,
  command: () => Receive,
  waitMs: number,
  { tenant, signal }: CallContext,
): Promise<readonly LeasedMessage[]> {
  const { mailboxes, clock, room } = receiving;
  const lateMs = clock.monotonicMs() + waitMs;
  let messages = await receive(mailboxes, command(), signal);
  if (messages.length > 0 || waitMs === 0) return messages;
  using place = room.enter(tenant);
  if (place === undefined) throw tooManyWait();
  let how = 'woken';
  while (messages.length === 0 && how === 'woken') {
    const leftMs = Math.max(0, lateMs - clock.monotonicMs());
    const key = command();
    how = await waitFor(clock, leftMs, signal, (wake) => mailboxes.watch(key, wake));
    // At the end too: somebody may have been woken for a message and then failed to take it.
    if (how !== 'left') messages = await receive(mailboxes, key, signal);
  }
  return messages;
}

/** Leases only for a caller that is still there. */
async function receive(
  mailboxes: MailboxEngine,
  command: Receive,
  signal: AbortSignal,
): Promise<readonly LeasedMessage[]> {
  const messages = await mailboxes.receive(command);
  if (messages.length === 0 || !signal.aborted) return messages;
  const { tenant, box } = command;
  // Each goes to the front: the last first, so that they are in their order again.
  await mailboxes.execute({ op: 'release', tenant, box, leases: messages.toReversed() });
  return [];
}
