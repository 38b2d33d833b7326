import type { Peer } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export function createCollect(storage: Peer<typeof storageContract>): GatewayHandlers['collect'] {
  return (input, { context }) => storage.collect(input, { context });
}
