import type { Peer } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export function createUsage(storage: Peer<typeof storageContract>): GatewayHandlers['usage'] {
  return (input, { context }) => storage.usage(input, { context });
}
