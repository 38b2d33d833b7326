import type { Peer } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export function createWhy(storage: Peer<typeof storageContract>): GatewayHandlers['why'] {
  return (input, { context }) => storage.why(input, { context });
}
