import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { indexContract, NameAnswer } from '@ron/proto/names';
import type { FarAnswer, NamesElsewhere } from '../elsewhere.ts';
import { farResolution, type Lookup } from '../lookup.ts';
import { matchHere } from './match.ts';

/** As `match` would find it now, and who said what. */
export function createTrace(lookup: Lookup, elsewhere?: NamesElsewhere): Handlers<typeof indexContract>['trace'] {
  return async ({ path }, { context: { signal } }) => {
    const here = await matchHere(lookup, path);
    if (here !== undefined) return { ...here, asked: [] };
    const answers = (await elsewhere?.trace(path, signal)) ?? [];
    const believed = answers.find(({ outcome }) => outcome === 'found');
    const far = believed?.found;
    return {
      ...(far && { record: farResolution(far.record, far.ageMs), rest: far.rest }),
      asked: answers.map(answerOf),
      ...(believed && { believed: believed.node.id }),
    };
  };
}

function answerOf({ node, tookMs, outcome, found, error }: FarAnswer): NameAnswer {
  const code = error instanceof RonError ? error.code : error === undefined ? undefined : 'internal';
  return {
    node,
    took_ms: Math.round(tookMs),
    outcome,
    ...(code === undefined ? {} : { code }),
    ...(found && { name: found.record.name, address: found.record.address, version: found.record.version }),
  };
}
