import { createMetrics, type Env, type Log, type Metrics, type NetAddress } from '@ron/kernel';
import { createRamKms } from '@ron/kms';
import type { Contact } from '@ron/proto/network';
import { type NodeIdentity, openNodeIdentity } from '../identity/node-identity.ts';
import type { TransportLimits } from '../limits.ts';
import { createNodeTransport, type NodeConnection, type NodeTransport } from '../node-transport.ts';
import type { SocksProxy } from '../socks.ts';

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

export function testIdentity(env: Env): Promise<NodeIdentity> {
  return openNodeIdentity(createRamKms(env), env.work);
}

export interface TestNode {
  readonly env: Env;
  readonly identity: NodeIdentity;
  readonly transport: NodeTransport;
  readonly metrics: Metrics;
  /** What was accepted, in order. */
  readonly accepted: NodeConnection[];
  /** Of `transport_refused_total`, `transport_dial_failed_total` or `transport_cut_total`. */
  count(what: 'refused' | 'dial_failed' | 'cut', reason: string): number;
}

export interface TestNodeOptions {
  readonly limits?: Partial<TransportLimits>;
  readonly mayDial?: (address: string) => boolean;
  readonly socks?: SocksProxy;
  readonly identity?: NodeIdentity;
  readonly log?: Log;
}

export async function testNode(env: Env, options: TestNodeOptions = {}): Promise<TestNode> {
  const metrics = createMetrics();
  const { identity = await testIdentity(env), mayDial = () => true, limits = {}, log = silentLog, socks } = options;
  const transport = await createNodeTransport({
    env,
    identity,
    log,
    metrics,
    mayDial,
    limits,
    ...(socks && { socks }),
  });
  const count: TestNode['count'] = (what, reason) => metrics.read(`transport_${what}_total`, { reason }) ?? 0;
  return { env, identity, transport, metrics, accepted: [], count };
}

/** Listens, and gives the contact under which the node is reached. */
export async function listening(
  node: TestNode,
  host: string,
  accept: (connection: NodeConnection) => void = (connection) => void node.accepted.push(connection),
): Promise<Contact> {
  return contactAt(node, (await node.transport.listen({ kind: 'tcp', host, port: 0 }, accept)).address);
}

export function contactAt(node: TestNode, address: NetAddress): Contact {
  if (address.kind !== 'tcp') throw new Error('listened at something else');
  return { id: node.identity.nodeId, address: `${address.host}:${address.port}` };
}
