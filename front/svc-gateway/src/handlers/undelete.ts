import type { Peer } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export function createUndelete(storage: Peer<typeof storageContract>): GatewayHandlers['undelete'] {
  return (input, { context }) => storage.undelete(input, { context });
}
