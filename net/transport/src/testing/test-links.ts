import type { Metrics } from '@ron/kernel';
import { SimWorld } from '@ron/kernel/sim';
import type { HelloIdentity } from '@ron/oap';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { createNodeLinks, type NodeLinks } from '../links/node-links.ts';
import { type NetworkHandlers, servedContract } from '../serving/network-handlers.ts';
import { createNodeServer, type NodeServer } from '../serving/node-server.ts';
import { pingContract } from './ping-contract.ts';
import { listening, silentLog, type TestNode, type TestNodeOptions, testNode } from './test-nodes.ts';

export const helloIdentity: HelloIdentity = {
  server_version: '0',
  node_id: '',
  transports: ['tls'],
  revocation_seq: 0,
};

async function* piecesOf(count: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield new Uint8Array(bytes).fill(index & 0xff);
}

export const pingHandlers: NetworkHandlers<typeof pingContract> = {
  ping: ({ text }, from: NodeId) => {
    if (text === 'nothing') throw new RonError('not_found', 'it is not here');
    if (text === 'undeclared') throw new RonError('range_not_satisfiable', 'a detail');
    if (text === 'broken') throw new Error('a secret detail');
    return { text, from };
  },
  pieces: ({ count, bytes }) => ({ output: { total: count * bytes }, body: piecesOf(count, bytes) }),
  slow: () => new Promise(() => undefined),
};

export interface ServingNode {
  readonly node: TestNode;
  readonly server: NodeServer;
  readonly contact: Contact;
}

export async function serve(
  node: TestNode,
  host: string,
  handlers: NetworkHandlers<typeof pingContract> = pingHandlers,
): Promise<ServingNode> {
  const { env, metrics } = node;
  const contracts = [servedContract(pingContract, handlers)];
  const server = createNodeServer({ env, log: silentLog, metrics, identity: helloIdentity, contracts });
  const contact = await listening(node, host, (connection) => server.accept(connection));
  return { node, server, contact };
}

/** Nodes of one simulated world: those that serve and those that ask. */
export class LinkedWorld {
  readonly world: SimWorld;

  constructor(seed: string) {
    this.world = new SimWorld({ seed });
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.world.scheduler.settle(work);
  }

  async serving(name: string, handlers = pingHandlers, options: TestNodeOptions = {}): Promise<ServingNode> {
    const node = await this.run(testNode(this.world.node(name), options));
    return this.run(serve(node, `${name}.sim`, handlers));
  }

  async asking(
    name: string,
    linksMax?: number,
  ): Promise<{ readonly links: NodeLinks; readonly metrics: Metrics; readonly node: TestNode }> {
    const env = this.world.node(name);
    const node = await this.run(testNode(env));
    const links = createNodeLinks({ transport: node.transport, env, ...(linksMax === undefined ? {} : { linksMax }) });
    return { links, metrics: node.metrics, node };
  }
}
