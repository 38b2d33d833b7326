import type { GatewayHandlers } from '../gateway-handlers.ts';
import type { ObjectWriter } from '../object-writer.ts';

export function createPut(writer: ObjectWriter): GatewayHandlers['put'] {
  return (input, call) => writer.put(undefined, input, call);
}
