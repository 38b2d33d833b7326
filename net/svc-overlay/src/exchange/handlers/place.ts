import type { PlaceInput, PlaceOutput } from '@ron/proto/exchange';
import type { NodeId } from '@ron/proto/network';
import type { Static } from 'typebox';
import type { ExchangeContext } from '../exchange-handlers.ts';

export async function place(
  { placements, ceilings, limits }: ExchangeContext,
  input: Static<typeof PlaceInput>,
  from: NodeId,
): Promise<PlaceOutput> {
  ceilings.question(from, limits().placeCost);
  return await placements.place(input, from);
}
