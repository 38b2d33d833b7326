import type { RonClient } from '../client.ts';
import { type ConnectOptions, connect as connectAnywhere } from '../connect.ts';
import type { Transport } from '../transport.ts';
import { createHttpTransport } from './http-transport.ts';
import { createOapTransport, oapAddressOf } from './oap-transport.ts';

export { fileSource } from './file-source.ts';
export { createHttpTransport } from './http-transport.ts';
export { createOapTransport } from './oap-transport.ts';

/**
 * A client in Node. What is not given comes from `RON_NODE_URL` and `RON_CAP`; the URL chooses the transport:
 * `http://host:port` is `node:http`, `oap://host:port` and `oap+unix:/path` are OAP/1.
 */
export function connect(options: Partial<ConnectOptions> = {}): RonClient {
  const url = options.url ?? process.env['RON_NODE_URL'] ?? 'http://127.0.0.1:9600';
  const capability = options.capability ?? process.env['RON_CAP'];
  const transport = options.transport ?? transportOf(url, () => capability);
  return connectAnywhere({ ...options, url, transport, ...(capability === undefined ? {} : { capability }) });
}

function transportOf(url: string, capability: () => string | undefined): Transport {
  return oapAddressOf(url) === undefined ? createHttpTransport(url, capability) : createOapTransport(url, capability);
}
