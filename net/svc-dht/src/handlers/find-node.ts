import { dhtLimits } from '@ron/proto/dht';
import type { DhtNode } from '../dht-node.ts';
import { admitPeer, type NodeHandler } from './node-handler.ts';

export function createFindNode(node: DhtNode): NodeHandler<'find_node'> {
  return ({ target, asker }, from) => {
    admitPeer(node, from, asker, 1);
    return { contacts: node.table.closest(target, dhtLimits.contactsMax) };
  };
}
