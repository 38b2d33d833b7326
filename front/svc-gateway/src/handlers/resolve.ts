import { parseName } from '@ron/naming';
import type { Peer } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export function createResolve(index: Peer<typeof indexContract>): GatewayHandlers['resolve'] {
  return (input, { context }) => {
    parseName(input.name);
    return index.resolve(input, { context });
  };
}
