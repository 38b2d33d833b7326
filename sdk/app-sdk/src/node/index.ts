import type { RonClient } from '../client.ts';
import { type ConnectOptions, connect as connectAnywhere } from '../connect.ts';
import { createThreadKeeper } from './thread-keeper.ts';
import { transportOf } from './transport-of.ts';

export { fileSource } from './file-source.ts';
export { createHttpTransport } from './http-transport.ts';
export { createOapTransport } from './oap-transport.ts';
export { createThreadKeeper, type ThreadKeeperOptions } from './thread-keeper.ts';

/**
 * A client in Node. What is not given comes from `RON_NODE_URL` and `RON_CAP`; the URL chooses the transport:
 * `http://host:port` is `node:http`, `oap://host:port` and `oap+unix:/path` are OAP/1. The leases of `process` loops are
 * kept by a thread each, unless the transport is the caller's own: a thread could not share it.
 */
export function connect(options: Partial<ConnectOptions> = {}): RonClient {
  const url = options.url ?? process.env['RON_NODE_URL'] ?? 'http://127.0.0.1:9600';
  const capability = options.capability ?? process.env['RON_CAP'];
  const newKeeper = options.transport === undefined ? () => createThreadKeeper({ url, capability }) : undefined;
  return connectAnywhere({
    ...(newKeeper === undefined ? {} : { newKeeper }),
    ...options,
    url,
    transport: options.transport ?? transportOf(url, () => capability),
    ...(capability === undefined ? {} : { capability }),
  });
}
