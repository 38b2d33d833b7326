import type { GatewayHandlers } from '../gateway-handlers.ts';
import type { ObjectWriter } from '../object-writer.ts';

export function createPutAt(writer: ObjectWriter): GatewayHandlers['put_at'] {
  return (input, call) => writer.put(input.address, input, call);
}
