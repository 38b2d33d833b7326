import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { indexContract } from '@ron/proto/names';
import type { Contact } from '@ron/proto/network';
import type { FarName, NamesElsewhere } from '@ron/svc-index/service';
import type { NodeLinks } from '@ron/transport';

/** For one node's answer. */
const answerMs = 2_000;
/** Asked about one name. */
const asksMax = 8;

/**
 * Names that trusted nodes keep. All are asked at once; of those who have the name, the one that the operator listed first is
 * believed. Rejects with `unavailable` when nobody has it and one who comes into question did not answer.
 */
export function farNames(links: NodeLinks, trusted: () => readonly Contact[], clock: Clock): NamesElsewhere {
  return {
    async find(path, whole, signal) {
      const answers = trusted()
        .slice(0, asksMax)
        .map((to) =>
          find(links, to, path, whole, signal).then(
            (found) => ({ found }),
            (error: unknown) => ({ error }),
          ),
        );
      let silent: unknown;
      // In the operator's order: who comes later is waited for only when those before have not got it.
      for (const answer of answers) {
        const { found, error } = { found: undefined, error: undefined, ...(await answer) };
        silent ??= error;
        if (found !== undefined && (found.record.expires_at ?? Number.POSITIVE_INFINITY) > clock.wallMs()) return found;
      }
      if (silent === undefined) return undefined;
      throw new RonError('unavailable', 'a node that may have the name does not answer', {
        cause: silent,
        retryAfterMs: 1_000,
      });
    },
  };
}

async function find(
  links: NodeLinks,
  to: Contact,
  path: string,
  whole: boolean,
  signal: AbortSignal,
): Promise<FarName | undefined> {
  const options = { timeoutMs: answerMs, signal };
  try {
    const { output } = await links.call(indexContract, to, 'match', { path }, options);
    if (whole && output.rest !== '') return undefined;
    const { providers: _, freshness_ms: __, source: ___, ...record } = output.record;
    const of = output.rest === '' ? record.name : `${record.name}/${output.rest}`;
    if (of !== path) throw new RonError('integrity', 'a node answered with another name than it was asked for');
    return { record, rest: output.rest };
  } catch (error) {
    if (error instanceof RonError && (error.code === 'not_found' || error.code === 'forbidden')) return undefined;
    throw error;
  }
}
