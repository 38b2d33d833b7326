import type { dhtContract } from '@ron/proto/dht';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import type { Static } from 'typebox';
import type { DhtNode } from '../dht-node.ts';

type Operations = (typeof dhtContract)['operations'];

/** Operations that nodes ask of each other. */
export type NodeOperation = 'ping' | 'find_node' | 'find_providers' | 'provide';

/** `from` is the id that the channel proved. */
export type NodeHandler<K extends NodeOperation> = (
  input: Static<Operations[K]['input']>,
  from: NodeId,
) => Static<Operations[K]['output']>;

/**
 * Charges the peer and takes notice of where it says it is reached. Throws `bad_request` for a contact of somebody else, and
 * `quota_exhausted`.
 */
export function admitPeer(node: DhtNode, from: NodeId, asker: Contact | undefined, cost: number): void {
  node.charge(from, cost);
  if (asker === undefined) return;
  if (asker.id !== from) throw new RonError('bad_request', 'the asker is not who the channel proved');
  node.table.asked(asker);
}
