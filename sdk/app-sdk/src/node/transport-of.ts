import type { Access, Transport } from '../transport.ts';
import { createHttpTransport } from './http-transport.ts';
import { createOapTransport, oapAddressOf } from './oap-transport.ts';

/** The URL chooses: `http://host:port` is `node:http`, `oap://host:port` and `oap+unix:/path` are OAP/1. */
export function transportOf(url: string, access: Access): Transport {
  return oapAddressOf(url) === undefined ? createHttpTransport(url, access) : createOapTransport(url, access);
}
