import type { BoxStats } from '@ron/app-sdk';
import { formatBytes, formatDuration } from '../output/format.ts';
import { describeFields } from '../output/numbers.ts';
import { printRows } from '../output/streamed-table.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';

export async function runStats({ client, output, signal }: Session, [box = '']: string[]): Promise<undefined> {
  const stats = await client.mailbox(box).stats({ signal });
  output.result(stats, () => renderFields(describeFields(stats)));
  return undefined;
}

export async function runList({ client, output, signal }: Session): Promise<undefined> {
  await printRows(output, columns, client.mailboxes({ signal }), (stats) => ({ cells: cellsOf(stats), json: stats }));
  return undefined;
}

const columns = ['box', 'ready', 'delayed', 'in flight', 'dead', 'size', 'oldest'].map((title) => ({
  title,
  align: title === 'box' ? ('left' as const) : ('right' as const),
}));

function cellsOf({ box, ready, delayed, in_flight, dead, bytes, oldest_age_ms }: BoxStats): string[] {
  const counts = [ready, delayed, in_flight, dead].map((count) => count.toLocaleString('en-US'));
  return [box, ...counts, formatBytes(bytes), oldest_age_ms === 0 ? '' : formatDuration(oldest_age_ms)];
}
