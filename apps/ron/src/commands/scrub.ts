import { usageError } from '../cli-error.ts';
import { describeFields } from '../output/numbers.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';
import { parseByteCount } from '../values/byte-count.ts';

type Action = 'start' | 'status' | 'stop';

export async function runScrub({ client, output, signal }: Session, [text]: string[], flags: { rate?: string }) {
  const action = (text ?? 'start') as Action;
  if (flags.rate !== undefined && action !== 'start') {
    throw usageError('--rate belongs to ron scrub start', 'ron scrub --help');
  }
  const pace = flags.rate === undefined ? {} : { bytesPerSecond: parseByteCount(flags.rate) };
  const answer = await client.node.scrub(action, { signal, ...pace });
  if (action === 'start') output.note('the node reads everything at its pace; follow it with: ron scrub status');
  output.result(answer, () => renderFields(describeFields(answer)));
  return undefined;
}
