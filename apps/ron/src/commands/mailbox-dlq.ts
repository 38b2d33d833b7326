import type { DeadLetter, Mailbox } from '@ron/app-sdk';
import { usageError } from '../cli-error.ts';
import { formatCount, formatTime } from '../output/format.ts';
import { bodyAsText, messageAsJson } from '../output/message-text.ts';
import { printable } from '../output/printable.ts';
import { printRows } from '../output/streamed-table.ts';
import type { Session } from '../session.ts';

/** Ids in one call; the contract's limit. */
const idsMax = 1_000;
const cellMax = 40;

export async function runDeadLetters(
  session: Session,
  [box = '', action = 'ls', ...ids]: string[],
  flags: { dryRun?: boolean },
): Promise<undefined> {
  const mailbox = session.client.mailbox(box);
  if (flags.dryRun && action !== 'purge') throw usageError('--dry-run goes with purge', 'ron mailbox dlq --help');
  if (action === 'redrive') await redrive(session, mailbox, ids);
  else if (action === 'purge' && !flags.dryRun) await purge(session, mailbox, ids);
  else await list(session, mailbox, ids, flags.dryRun === true);
  return undefined;
}

async function redrive({ output, signal }: Session, mailbox: Mailbox, ids: readonly string[]): Promise<void> {
  const [redriven, left] = await inPieces(ids, async (piece) => {
    const answer = await mailbox.redrive(piece, { signal });
    return [answer.redriven, answer.left];
  });
  output.result(
    { box: mailbox.box, redriven, left },
    () => `${letters(redriven)} back in ${mailbox.box}, ${left} left`,
  );
}

async function purge({ output, signal }: Session, mailbox: Mailbox, ids: readonly string[]): Promise<void> {
  const [purged, left] = await inPieces(ids, async (piece) => {
    const answer = await mailbox.purge(piece, { signal });
    return [answer.purged, answer.left];
  });
  output.result({ box: mailbox.box, purged, left }, () => `${letters(purged)} gone, ${left} left`);
}

/**
 * These ids, or all that there are at first: what dies again meanwhile must not be driven in a circle.
 * Answers how many were done and how many are left.
 */
async function inPieces(
  ids: readonly string[],
  act: (ids: readonly string[] | undefined) => Promise<[done: number, left: number]>,
): Promise<[number, number]> {
  let [sum, left] = [0, 0];
  if (ids.length > 0) {
    for (let at = 0; at < ids.length; at += idsMax) {
      const [done, rest] = await act(ids.slice(at, at + idsMax));
      [sum, left] = [sum + done, rest];
    }
    return [sum, left];
  }
  let total = Number.POSITIVE_INFINITY;
  for (let done = -1; sum < total && done !== 0; ) {
    [done, left] = await act(undefined);
    if (total === Number.POSITIVE_INFINITY) total = done + left;
    sum += done;
  }
  return [sum, left];
}

async function list(session: Session, mailbox: Mailbox, ids: readonly string[], dryRun: boolean): Promise<void> {
  const { output, signal } = session;
  const found = chosen(mailbox.deadLetters({ signal }), new Set(ids));
  const count = await printRows(output, columns, found, (letter) => ({
    cells: cellsOf(letter),
    json: { ...(dryRun ? { dry_run: true } : {}), ...asJson(letter) },
  }));
  if (dryRun) output.note(`${letters(count)} would go`);
}

async function* chosen(all: AsyncIterable<DeadLetter>, ids: ReadonlySet<string>): AsyncGenerator<DeadLetter> {
  for await (const letter of all) if (ids.size === 0 || ids.has(letter.id)) yield letter;
}

const columns = ['id', 'reason', 'attempts', 'dead since', 'last failure', 'body'].map((title) => ({ title }));

function cellsOf(letter: DeadLetter): string[] {
  const { id, reason, attempt, deadAt, history } = letter;
  const last = history.at(-1);
  const failure = last === undefined ? '' : (last.reason ?? last.outcome);
  return [id, reason, String(attempt), formatTime(deadAt), cell(failure), cell(bodyAsText(letter))];
}

/** The beginning of a text, on one line. */
function cell(text: string): string {
  const line = printable(text).replaceAll(/\s+/g, ' ');
  return line.length > cellMax ? `${line.slice(0, cellMax - 1).toWellFormed()}…` : line;
}

function asJson(letter: DeadLetter): object {
  const { reason, deadAt, history } = letter;
  return { ...messageAsJson(letter), reason, dead_at: deadAt, history };
}

function letters(count: number): string {
  return formatCount(count, 'dead letter');
}
