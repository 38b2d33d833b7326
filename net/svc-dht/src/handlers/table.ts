import type { Handlers } from '@ron/proto/contract';
import type { dhtContract } from '@ron/proto/dht';
import type { DhtNode } from '../dht-node.ts';

export function createTable(node: DhtNode): Handlers<typeof dhtContract>['table'] {
  return () => {
    const nowMs = node.ports.clock.monotonicMs();
    const buckets = [...node.table.buckets()].map(([shared_bits, { entries, spares }]) => ({
      shared_bits,
      nodes: entries.map(({ contact, rttMs, seenMs, failures }) => ({
        contact,
        rtt_ms: Math.round(rttMs),
        seen_ms_ago: Math.round(nowMs - seenMs),
        failures,
      })),
      spares: spares.length,
    }));
    return {
      id: node.id,
      network_size: Math.round(node.sizeEstimate),
      region_bits: node.regionBits,
      records: node.store.size,
      keys: node.store.keys,
      buckets,
    };
  };
}
