import { dhtLimits } from '@ron/proto/dht';
import type { DhtNode } from '../dht-node.ts';
import { admitPeer, type NodeHandler } from './node-handler.ts';

export function createFindProviders(node: DhtNode): NodeHandler<'find_providers'> {
  return ({ key, toward, asker }, from) => {
    admitPeer(node, from, asker, 1);
    return { records: node.store.recordsOf(key), contacts: node.table.closest(toward, dhtLimits.contactsMax) };
  };
}
