import type { Peer } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export function createTraceName(index: Peer<typeof indexContract>): GatewayHandlers['trace_name'] {
  return (input, { context }) => index.trace(input, { context });
}
