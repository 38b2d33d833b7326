import type { LiveConfig } from '@ron/service';
import { cachingOfAddress } from '../caching.ts';
import type { GatewayConfig } from '../config.ts';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import { type ObjectReader, unknownType } from '../object-reader.ts';

export function createGet(reader: ObjectReader, config: LiveConfig<GatewayConfig>): GatewayHandlers['get'] {
  return (input, call) => {
    const caching = cachingOfAddress(config.current(), input.address);
    return reader.read({ address: input.address, contentType: unknownType, caching }, input, call);
  };
}
