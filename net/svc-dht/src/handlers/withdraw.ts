import { parseAddress } from '@ron/naming';
import type { Handlers } from '@ron/proto/contract';
import type { dhtContract } from '@ron/proto/dht';
import type { DhtNode } from '../dht-node.ts';
import { keyOfAddress } from '../key.ts';
import type { Publisher } from '../publisher.ts';

export function createWithdraw(node: DhtNode, publisher: Publisher): Handlers<typeof dhtContract>['withdraw'] {
  return ({ addresses }) => {
    const keys = addresses.map((address) => keyOfAddress(parseAddress(address), node.ports.blake3));
    return { withdrawn: keys.filter((key) => publisher.remove(key)).length };
  };
}
