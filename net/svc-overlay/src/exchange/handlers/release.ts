import type { ReleaseInput, ReleaseOutput } from '@ron/proto/exchange';
import type { NodeId } from '@ron/proto/network';
import type { Static } from 'typebox';
import type { ExchangeContext } from '../exchange-handlers.ts';

export async function release(
  { placements, ceilings }: ExchangeContext,
  { address }: Static<typeof ReleaseInput>,
  from: NodeId,
): Promise<Static<typeof ReleaseOutput>> {
  ceilings.question(from, 1);
  return { released: await placements.release(address, from) };
}
