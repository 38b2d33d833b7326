import { messageNote, printMessage } from '../output/message-text.ts';
import type { Session } from '../session.ts';
import { parseDelayMs, parseDurationMs } from '../values/duration.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

export interface ReceiveFlags {
  readonly max?: string;
  readonly wait?: string;
  readonly visibility?: string;
  readonly ack?: boolean;
  readonly verbose?: boolean;
}

export async function runReceive(session: Session, [box = '']: string[], flags: ReceiveFlags): Promise<undefined> {
  const { client, output, signal } = session;
  const mailbox = client.mailbox(box);
  const messages = await mailbox.recv({
    signal,
    max: parseWholeNumber(flags.max ?? '1', 'number of messages', 1, 100),
    ...(flags.wait === undefined ? {} : { waitMs: parseDelayMs(flags.wait) }),
    ...(flags.visibility === undefined ? {} : { visibilityMs: parseDurationMs(flags.visibility) }),
  });
  if (messages.length === 0) output.note('no messages');
  for (const message of messages) {
    await printMessage(output, message);
    if (flags.ack) await mailbox.ack(message.lease, { signal });
    // Without its lease a message that was not acknowledged can only be waited for.
    if (flags.verbose || !flags.ack) output.note(messageNote(message));
  }
  return undefined;
}
