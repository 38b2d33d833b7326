import type { Metrics } from '@ron/kernel';
import { SimWorld } from '@ron/kernel/sim';
import type { HelloIdentity } from '@ron/oap';
import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { bindOapServer, createDispatcher, loadCompiler, nodeOf, nodePrincipal } from '@ron/service';
import { createNodeLinks, type NodeLinks } from '../links/node-links.ts';
import type { NodeConnection } from '../node-transport.ts';
import { pingContract } from './ping-contract.ts';
import { contactAt, silentLog, type TestNode, type TestNodeOptions, testNode } from './test-nodes.ts';

export const helloIdentity: HelloIdentity = {
  server_version: '0',
  node_id: '',
  transports: ['tls'],
  revocation_seq: 0,
};

async function* piecesOf(count: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield new Uint8Array(bytes).fill(index & 0xff);
}

export type PingHandlers = Handlers<typeof pingContract>;

export const pingHandlers: PingHandlers = {
  ping: ({ text }, { context }) => {
    if (text === 'nothing') throw new RonError('not_found', 'it is not here');
    if (text === 'undeclared') throw new RonError('range_not_satisfiable', 'a detail');
    if (text === 'broken') throw new Error('a secret detail');
    return { text, from: nodeOf(context) };
  },
  pieces: ({ count, bytes }) => ({ output: { total: count * bytes }, body: piecesOf(count, bytes) }),
  slow: () => new Promise(() => undefined),
};

export interface ServingNode {
  readonly node: TestNode;
  readonly server: {
    /** Open ones. */
    readonly connections: number;
    readonly callsRunning: number;
    /** Ends what a node has opened. */
    drop(nodeId: NodeId): void;
    close(): Promise<void>;
  };
  readonly contact: Contact;
}

/** Answers as a profile does: OAP over proven connections, whose node is the principal of every call. */
export async function serve(node: TestNode, host: string, handlers = pingHandlers): Promise<ServingNode> {
  const { env, metrics } = node;
  const address = { kind: 'tcp', host, port: 0 } as const;
  const accepted: NodeConnection[] = [];
  const dispatcher = createDispatcher({
    contract: pingContract,
    running: { handlers, [Symbol.asyncDispose]: async () => undefined },
    authenticator: {
      authenticate() {
        throw new RonError('unauthenticated', 'only nodes may ask');
      },
    },
    env,
    log: silentLog,
    metrics,
  });
  const listener = await bindOapServer({
    env,
    log: silentLog,
    metrics,
    address,
    dispatchers: [dispatcher],
    identity: helloIdentity,
    listen: (accept) =>
      node.transport.listen(address, (connection) => {
        accepted.push(connection);
        accept(connection.duplex, nodePrincipal(connection.nodeId));
      }),
  });
  const server = {
    get connections() {
      return metrics.read('oap_connections', {}) ?? 0;
    },
    get callsRunning() {
      return dispatcher.inflight;
    },
    drop(nodeId: NodeId) {
      for (const connection of accepted) if (connection.nodeId === nodeId) connection.duplex.destroy();
    },
    close: () => listener.close(0),
  };
  return { node, server, contact: contactAt(node, listener.address) };
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
    // Otherwise the first call would wait for the file system, which virtual time does not drive.
    await loadCompiler();
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
