import type { Metrics } from '@ron/kernel';
import type { RecordRefusal } from '@ron/proto/dht';
import type { DhtNode } from './dht-node.ts';
import type { Publisher } from './publisher.ts';

export interface DhtMeters {
  readonly refused: (reason: RecordRefusal) => void;
  searched(found: boolean, firstMs: number): void;
}

/** What an operator sees of the DHT; no node, key or address is a label. */
export function createMeters(metrics: Metrics): DhtMeters {
  const refused = metrics.counter('dht_records_refused_total', 'Records of others that were not kept', ['reason']);
  const searches = metrics.counter('dht_searches_total', 'Searches for providers', ['outcome']);
  const first = metrics.histogram('dht_first_provider_seconds', 'Until the first provider, of searches that found one');
  return {
    refused: (reason) => refused.labels({ reason }).inc(),
    searched(found, firstMs) {
      searches.labels({ outcome: found ? 'found' : 'none' }).inc();
      if (found) first.labels().observe(firstMs / 1_000);
    },
  };
}

export function measure(metrics: Metrics, node: DhtNode, publisher: Publisher): Disposable {
  const nodes = metrics.gauge('dht_table_nodes', 'Nodes in the routing table').labels();
  const size = metrics.gauge('dht_network_nodes_estimate', 'Nodes in the network, estimated').labels();
  const records = metrics.gauge('dht_records', 'Provider records kept for others').labels();
  const announced = metrics.gauge('dht_announced_keys', 'Objects that this node announces').labels();
  return metrics.onCollect(() => {
    nodes.set(node.table.size);
    size.set(node.sizeEstimate);
    records.set(node.store.size);
    announced.set(publisher.size);
  });
}
