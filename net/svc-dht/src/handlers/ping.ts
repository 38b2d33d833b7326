import type { DhtNode } from '../dht-node.ts';
import { admitPeer, type NodeHandler } from './node-handler.ts';

export function createPing(node: DhtNode): NodeHandler<'ping'> {
  return ({ asker }, from) => {
    admitPeer(node, from, asker, 1);
    return { id: node.id };
  };
}
