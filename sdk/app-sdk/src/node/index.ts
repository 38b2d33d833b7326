import type { RonClient } from '../client.ts';
import { type ConnectOptions, connect as connectAnywhere } from '../connect.ts';
import { verifySignature } from './signatures.ts';
import { createThreadKeeper } from './thread-keeper.ts';
import { transportOf } from './transport-of.ts';

export { fileSource } from './file-source.ts';
export { createHttpTransport } from './http-transport.ts';
export { createOapTransport } from './oap-transport.ts';
export { proofKeyOf, verifySignature } from './signatures.ts';
export { createThreadKeeper, type ThreadKeeperOptions } from './thread-keeper.ts';

/**
 * A client in Node. What is not given comes from `RON_NODE_URL` and `RON_CAP`; the URL chooses the transport:
 * `http://host:port` is `node:http`, `oap://host:port` and `oap+unix:/path` are OAP/1. The leases of `process` loops are
 * kept by a thread each, unless the transport is the caller's own, or the capability changes or is proved with a key:
 * a thread could not share those.
 */
export function connect(options: Partial<ConnectOptions> = {}): RonClient {
  const url = options.url ?? process.env['RON_NODE_URL'] ?? 'http://127.0.0.1:9600';
  // Somebody else's capability would be used until the first refusal.
  const inherited = options.refreshToken === undefined ? process.env['RON_CAP'] : undefined;
  const capability = options.capability ?? inherited;
  const shared = options.transport === undefined && options.refreshToken === undefined && options.key === undefined;
  const newKeeper = shared ? () => createThreadKeeper({ url, capability }) : undefined;
  return connectAnywhere({
    ...(newKeeper === undefined ? {} : { newKeeper }),
    newTransport: (access) => transportOf(url, access),
    verifySignature,
    ...options,
    url,
    ...(capability === undefined ? {} : { capability }),
  });
}
