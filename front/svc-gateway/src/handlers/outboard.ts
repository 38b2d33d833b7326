import type { LiveConfig } from '@ron/service';
import { cachingOfAddress } from '../caching.ts';
import type { GatewayConfig } from '../config.ts';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import type { ObjectReader } from '../object-reader.ts';
import { outboardType } from '../tus.ts';

export function createOutboard(reader: ObjectReader, config: LiveConfig<GatewayConfig>): GatewayHandlers['outboard'] {
  return (input, call) => {
    const caching = cachingOfAddress(config.current(), input.address);
    return reader.outboard({ address: input.address, contentType: outboardType, caching }, input, call);
  };
}
