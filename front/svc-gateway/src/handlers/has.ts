import type { Peer } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export function createHas(storage: Peer<typeof storageContract>): GatewayHandlers['has'] {
  return (input, { context }) => storage.has(input, { context });
}
