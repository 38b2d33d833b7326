import { parseAddress } from '@ron/naming';
import type { Handlers } from '@ron/proto/contract';
import type { dhtContract } from '@ron/proto/dht';
import type { DhtNode } from '../dht-node.ts';
import { keyOfAddress } from '../key.ts';
import type { Publisher } from '../publisher.ts';

/** Notes them; they reach their regions with the next look at the table, within two minutes. */
export function createAnnounce(node: DhtNode, publisher: Publisher): Handlers<typeof dhtContract>['announce'] {
  return ({ addresses }) => {
    let announced = 0;
    for (const address of addresses) {
      if (publisher.add(keyOfAddress(parseAddress(address), node.ports.blake3))) announced++;
    }
    return { announced, published: publisher.size };
  };
}
