import type { CallContext } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { OutboardInput } from '@ron/proto/exchange';
import type { NodeId } from '@ron/proto/network';
import type { Static } from 'typebox';
import type { ExchangeContext } from '../exchange-handlers.ts';
import { ServedBody } from '../served-body.ts';
import type { BodyReply } from './want.ts';

export async function outboard(
  { blobs, maySend, ceilings, clock, limits }: ExchangeContext,
  { address }: Static<typeof OutboardInput>,
  from: NodeId,
  call?: CallContext,
): Promise<BodyReply> {
  ceilings.question(from, 1);
  const slot = ceilings.open(from);
  try {
    const found = (await maySend(address, from)) ? await blobs.stat(address, call) : undefined;
    if (found === undefined) throw new RonError('not_found', 'the object is not here');
    if (found.groups !== 'all') throw new RonError('not_found', 'not all of the object is here');
    return {
      output: { address, size: found.size },
      body: new ServedBody(blobs.outboard(address, call), slot, clock, limits()),
    };
  } catch (error) {
    slot.close();
    throw error;
  }
}
