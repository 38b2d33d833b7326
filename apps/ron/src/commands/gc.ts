import { describeFields } from '../output/numbers.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';

export async function runCollect({ client, output, signal }: Session, _args: string[], flags: { dryRun?: boolean }) {
  const answer = await client.node.collect({ signal, dryRun: flags.dryRun === true });
  output.result(answer, () => renderFields(describeFields(answer)));
  const sample = answer['sample'];
  if (Array.isArray(sample) && sample.length > 0) {
    output.note(`${flags.dryRun ? 'would go' : 'gone to the trash'}, ${sample.length} of them:\n${sample.join('\n')}`);
    if (!flags.dryRun) output.note(`to take one back: ron undelete ${sample[0]}`);
  }
  return undefined;
}

export async function runUndelete({ client, output, signal }: Session, [address = '']: string[]) {
  const answer = await client.node.undelete(address, { signal });
  output.result(answer, () => renderFields(describeFields(answer)));
  return undefined;
}
