import { groupBytes, groupCount } from '@ron/b3';
import type { CallContext } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type GroupRun, type WantInput, type WantOutput, wantGroupsMax } from '@ron/proto/exchange';
import type { NodeId } from '@ron/proto/network';
import type { ByteStream } from '@ron/proto/stream';
import type { Static } from 'typebox';
import type { ExchangeContext } from '../exchange-handlers.ts';
import type { GroupSet } from '../group-set.ts';
import { ServedBody } from '../served-body.ts';

export interface BodyReply {
  readonly output: Static<typeof WantOutput>;
  readonly body: ByteStream;
}

export async function want(
  { blobs, maySend, ceilings, clock, limits }: ExchangeContext,
  { address, ranges }: Static<typeof WantInput>,
  from: NodeId,
  call?: CallContext,
): Promise<BodyReply> {
  const asked = ranges.reduce((sum, { count }) => sum + count, 0);
  if (asked > wantGroupsMax) throw new RonError('bad_request', `ask for at most ${wantGroupsMax} groups at once`);
  ceilings.question(from, 1);
  const slot = ceilings.open(from);
  try {
    const found = (await maySend(address, from)) ? await blobs.stat(address, call) : undefined;
    if (found === undefined) throw new RonError('not_found', 'the object is not here');
    const { size, groups } = found;
    if (groups !== 'all') for (const run of ranges) demand(groups, run, size);
    return { output: { address, size }, body: new ServedBody(slices(), slot, clock, limits()) };
  } catch (error) {
    slot.close();
    throw error;
  }

  async function* slices(): AsyncGenerator<Uint8Array, void, undefined> {
    for (const { first, count } of ranges)
      yield* blobs.slice(address, first * groupBytes(), count * groupBytes(), call);
  }
}

function demand(groups: GroupSet, { first, count }: GroupRun, size: number): void {
  const last = groupCount(size) - 1;
  for (let group = Math.min(first, last); group <= Math.min(first + count - 1, last); group++) {
    if (!groups.has(group)) throw new RonError('not_found', 'not all of these groups are here: ask what is');
  }
}
