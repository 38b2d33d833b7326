import type { Mailbox, Message, ReceivedMessage } from '@ron/app-sdk';
import { messageNote, printMessage } from '../output/message-text.ts';
import { hasCode } from '../refusal.ts';
import type { Session } from '../session.ts';
import { parseDurationMs } from '../values/duration.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

export interface WatchFlags {
  readonly count?: string;
  readonly verbose?: boolean;
}

export interface SubscribeFlags extends WatchFlags {
  readonly credit?: string;
  readonly visibility?: string;
  readonly ack?: boolean;
}

/** For the message that is on the screen already: Ctrl-C must not bring it back. */
const ackMsMax = 5_000;

export async function runSubscribe(session: Session, [box = '']: string[], flags: SubscribeFlags): Promise<undefined> {
  const mailbox = session.client.mailbox(box);
  const messages = mailbox.subscribe({
    signal: session.signal,
    onBreak: breakNote(session),
    credit: parseWholeNumber(flags.credit ?? '1', 'credit', 1, 100),
    ...(flags.count === undefined ? {} : { max: countOf(flags) }),
    ...(flags.visibility === undefined ? {} : { visibilityMs: parseDurationMs(flags.visibility) }),
  });
  await show(session, messages, flags, async (message) => {
    if (flags.ack !== false) await acknowledge(session, mailbox, message);
  });
  return undefined;
}

export async function runTail(session: Session, [box = '']: string[], flags: WatchFlags): Promise<undefined> {
  const messages = session.client.mailbox(box).tail({ signal: session.signal, onBreak: breakNote(session) });
  await show(session, messages, flags);
  return undefined;
}

async function show<M extends Message>(
  { output }: Session,
  messages: AsyncIterable<M>,
  flags: WatchFlags,
  onShown: (message: M) => Promise<void> = async () => undefined,
): Promise<void> {
  const count = countOf(flags);
  let shown = 0;
  for await (const message of messages) {
    await printMessage(output, message);
    if (flags.verbose) output.note(messageNote(message));
    shown += 1;
    await onShown(message);
    if (shown >= count) return;
  }
}

function countOf({ count }: WatchFlags): number {
  return count === undefined ? Number.POSITIVE_INFINITY : parseWholeNumber(count, 'count', 1, Number.MAX_SAFE_INTEGER);
}

/** Says once for each kind of trouble why nothing comes, not each time that it was tried again. */
function breakNote({ output }: Session): (error: Error | undefined) => void {
  let said: string | undefined;
  return (error) => {
    const text = error?.message ?? 'the node ended the stream';
    if (text !== said) output.note(`${text}: trying again`);
    said = text;
  };
}

async function acknowledge({ output }: Session, mailbox: Mailbox, { id, lease }: ReceivedMessage): Promise<void> {
  try {
    await mailbox.ack(lease, { timeoutMs: ackMsMax });
  } catch (thrown) {
    if (!hasCode(thrown, 'conflict')) throw thrown;
    output.warn(`the lease of ${id} ended before it was acknowledged: the message comes again`);
  }
}
