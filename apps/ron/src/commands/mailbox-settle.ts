import type { LeaseResult } from '@ron/app-sdk';
import { exitCodes } from '../exit-codes.ts';
import type { Session } from '../session.ts';
import { parseDelayMs, parseDurationMs } from '../values/duration.ts';

export async function runAck({ client, output, signal }: Session, [box = '', ...leases]: string[]) {
  return say(output, await client.mailbox(box).ack(leases, { signal }), 'acknowledged');
}

export interface NackFlags {
  readonly delay?: string;
  readonly reason?: string;
}

export async function runNack({ client, output, signal }: Session, [box = '', ...leases]: string[], flags: NackFlags) {
  const results = await client.mailbox(box).nack(leases, {
    signal,
    ...(flags.delay === undefined ? {} : { delayMs: parseDelayMs(flags.delay) }),
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
  });
  return say(output, results, 'given back');
}

export async function runExtend(
  { client, output, signal }: Session,
  [box = '', ...leases]: string[],
  flags: { visibility?: string },
) {
  const visibilityMs = parseDurationMs(flags.visibility ?? '30s');
  return say(output, await client.mailbox(box).extend(leases, visibilityMs, { signal }), 'extended');
}

export async function runRemove({ client, output, signal }: Session, [box = '', id = '']: string[]) {
  await client.mailbox(box).remove(id, { signal });
  output.result({ box, id, removed: true }, () => `${id} is removed`);
  return undefined;
}

/** A line for each lease; ends with "conflict" when one of them was not good. */
function say(output: Session['output'], results: readonly LeaseResult[], done: string): number {
  for (const result of results) {
    const outcome = result.ok ? done : output.paint('yellow', 'the lease had ended, nothing changed');
    output.result(result, () => `${result.lease} ${outcome}`);
  }
  return results.every(({ ok }) => ok) ? exitCodes.ok : exitCodes.conflict;
}
