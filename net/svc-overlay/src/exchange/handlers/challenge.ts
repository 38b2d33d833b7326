import { groupBytes, groupCount } from '@ron/b3';
import type { CallContext } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { ChallengeInput, ChallengeOutput } from '@ron/proto/exchange';
import type { NodeId } from '@ron/proto/network';
import type { Static } from 'typebox';
import type { ExchangeContext } from '../exchange-handlers.ts';
import { provePossession } from '../possession.ts';
import { ServedBody } from '../served-body.ts';

export async function challenge(
  { blobs, maySend, ceilings, clock, limits, self }: ExchangeContext,
  { address, group, nonce }: Static<typeof ChallengeInput>,
  from: NodeId,
  call?: CallContext,
): Promise<Static<typeof ChallengeOutput>> {
  ceilings.question(from, limits().challengeCost);
  const slot = ceilings.open(from);
  try {
    const found = (await maySend(address, from)) ? await blobs.stat(address, call) : undefined;
    if (found === undefined) throw new RonError('not_found', 'the object is not here');
    const { size, groups } = found;
    if (group >= groupCount(size)) throw new RonError('bad_request', 'the object has no such group');
    if (groups !== 'all' && !groups.has(group)) throw new RonError('not_found', 'the group is not here');
    const slice = new ServedBody(blobs.slice(address, group * groupBytes(), 1, call), slot, clock, limits());
    return await provePossession(slice, size, { group, nonce }, self);
  } finally {
    slot.close();
  }
}
