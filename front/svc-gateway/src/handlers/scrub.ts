import type { Peer } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export function createScrub(storage: Peer<typeof storageContract>): GatewayHandlers['scrub'] {
  return (input, { context }) => storage.scrub(input, { context });
}
