import { type Address, addressHashBytes, hashFromAddress } from '@ron/naming';
import type { DhtKey } from '@ron/proto/dht';
import { toHex } from '@ron/transport';

const domain = new TextEncoder().encode('ron dht key v1\0');

/**
 * Where the providers of an object are looked for: BLAKE3 of a domain and the object's hash. Without the domain, who may choose an
 * object's bytes could make its key equal another hash of the system.
 */
export function keyOfAddress(address: Address, blake3: (bytes: Uint8Array) => Uint8Array): DhtKey {
  const bytes = new Uint8Array(domain.length + addressHashBytes);
  bytes.set(domain);
  bytes.set(hashFromAddress(address), domain.length);
  return toHex(blake3(bytes));
}
