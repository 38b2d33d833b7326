import { overlayService } from '@ron/app-sdk/services';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { printable } from '../output/printable.ts';
import { renderFields } from '../output/table.ts';
import { askNetwork, fullNodeId, type ProbeAnswer } from '../remote/network.ts';
import type { Session } from '../session.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

/** Of one command; the node takes no more. */
const countMax = 20;

interface Flags {
  readonly count: string;
}

/** Exit code 6 when no ping was answered. */
export async function runPing(session: Session, [text = '']: string[], flags: Flags): Promise<ExitCode | undefined> {
  const count = parseWholeNumber(flags.count, 'number of pings', 1, countMax);
  const id = await fullNodeId(session, text);
  const answer = (await askNetwork(session, overlayService, 'probe', { id, count })) as ProbeAnswer;
  const rtts = answer.rtts_ms.filter((rtt) => rtt !== null).sort((one, other) => one - other);
  const sent = answer.rtts_ms.length;
  const [min, median, max] = [rtts[0], medianOf(rtts), rtts.at(-1)];
  const lost = sent - rtts.length;
  session.output.result(
    { ...answer, sent, lost, ...(rtts.length === 0 ? {} : { min_ms: min, median_ms: median, max_ms: max }) },
    () => {
      const ms = (value: number | undefined) => (value === undefined ? '–' : `${value.toFixed(2)} ms`);
      return renderFields([
        ['node', answer.id],
        ['address', printable(answer.address)],
        ['region', answer.region ?? '–'],
        ['version', printable(answer.version)],
        ['state', answer.state],
        ['answered', `${rtts.length} of ${sent}, ${Math.round((lost / Math.max(1, sent)) * 100)} % lost`],
        ['min', ms(min)],
        ['median', ms(median)],
        ['max', ms(max)],
      ]);
    },
  );
  return rtts.length === 0 ? exitCodes.unavailable : undefined;
}

/** Of ascending numbers. */
function medianOf(sorted: readonly number[]): number | undefined {
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle];
  const [below, above] = [sorted[middle - 1], sorted[middle]];
  return below === undefined || above === undefined ? undefined : (below + above) / 2;
}
