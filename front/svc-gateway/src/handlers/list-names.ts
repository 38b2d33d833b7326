import type { Peer } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export function createListNames(index: Peer<typeof indexContract>): GatewayHandlers['list_names'] {
  return (input, { context }) => index.list(input, { context });
}
