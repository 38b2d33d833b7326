import { RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';
import type { DhtNode } from './dht-node.ts';
import { createFindNode } from './handlers/find-node.ts';
import { createFindProviders } from './handlers/find-providers.ts';
import type { NodeHandler, NodeOperation } from './handlers/node-handler.ts';
import { createPing } from './handlers/ping.ts';
import { createProvide, type OnRefused } from './handlers/provide.ts';

export type NodeHandlers = { readonly [K in NodeOperation]: NodeHandler<K> };

/** What other nodes may ask of this one. */
export function createNodeHandlers(node: DhtNode, onRefused: OnRefused = () => undefined): NodeHandlers {
  return {
    ping: createPing(node),
    find_node: createFindNode(node),
    find_providers: createFindProviders(node),
    provide: createProvide(node, onRefused),
  };
}

/** The same for whoever carries messages itself, as simulations do. The input was checked against the contract. */
export function serveNode(handlers: NodeHandlers): (operation: string, input: unknown, from: NodeId) => unknown {
  return (operation, input, from) => {
    if (!Object.hasOwn(handlers, operation)) throw new RonError('bad_request', `nodes are not asked ${operation}`);
    return handlers[operation as NodeOperation](input as never, from);
  };
}
