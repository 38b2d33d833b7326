import type { RecordRefusal } from '@ron/proto/dht';
import type { DhtNode } from '../dht-node.ts';
import { isNear } from '../search.ts';
import { admitPeer, type NodeHandler } from './node-handler.ts';

/** Records that cost a peer as much as one request: checking a signature takes 0.1 ms. */
const recordsPerRequest = 4;

export type OnRefused = (reason: RecordRefusal) => void;

/** Nobody stores for somebody else: who floods a key has to do it with ids of its own, each with a channel to this node. */
export function createProvide(node: DhtNode, onRefused: OnRefused): NodeHandler<'provide'> {
  return ({ records, asker }, from) => {
    admitPeer(node, from, asker, Math.ceil(records.length / recordsPerRequest));
    const nowMs = node.ports.clock.wallMs();
    let stored = 0;
    let refused: RecordRefusal | undefined;
    for (const record of records) {
      const reason = refusalOf(node, record, from, nowMs) ?? node.store.put(record);
      if (reason === undefined) {
        stored++;
        continue;
      }
      onRefused(reason);
      if (reason === 'unsigned') node.ports.onForged?.(from);
      refused ??= reason;
    }
    return refused === undefined ? { stored } : { stored, refused };
  };
}

function refusalOf(
  node: DhtNode,
  record: Parameters<DhtNode['check']>[0],
  from: string,
  nowMs: number,
): RecordRefusal | undefined {
  if (record.provider.id !== from) return 'foreign';
  if (!isNear(node, record.key)) return 'not_near';
  return node.check(record, nowMs);
}
