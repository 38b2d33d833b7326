import { type Static, Type } from 'typebox';
import { type DhtRules, dhtRulesDefault } from './rules.ts';

const standard = dhtRulesDefault;
const integer = (fallback: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: fallback, minimum, maximum, description });

/** Table `dht` of the configuration file. Read at start. */
export const DhtConfig = Type.Object(
  {
    lookup_timeout_ms: integer(standard.lookupTimeoutMs, 1_000, 60_000, 'of a whole lookup'),
    records_max: integer(
      standard.store.recordsMax,
      1_000,
      10_000_000,
      'kept for others; each takes about 1 KiB of memory',
    ),
    records_of_provider_max: integer(standard.store.recordsOfProviderMax, 100, 1_000_000, 'kept for one node'),
    announced_max: integer(standard.publishedMax, 1_000, 10_000_000, 'objects that this node announces'),
    address_group_in_bucket_max: integer(
      standard.table.groupInBucketMax,
      1,
      20,
      'nodes of one /24 or /48 in a bucket; 20 where all nodes are in one network',
    ),
    address_group_in_table_max: integer(
      standard.table.groupInTableMax,
      1,
      5_000,
      'nodes of one /24 or /48 in the whole table; 5,000 where all nodes are in one network',
    ),
    address_group_asks_max: integer(
      standard.groupAsksMax,
      1,
      100,
      'nodes of one /24 or /48 that a lookup asks; 100 where all nodes are in one network',
    ),
    peer_requests_per_second: integer(standard.peerRequestsPerSecond, 1, 10_000, 'of one peer'),
  },
  { additionalProperties: false },
);
export type DhtConfig = Static<typeof DhtConfig>;

export function rulesOf(config: DhtConfig): DhtRules {
  const { table, store } = standard;
  return {
    ...standard,
    table: {
      ...table,
      groupInBucketMax: config.address_group_in_bucket_max,
      groupInTableMax: config.address_group_in_table_max,
    },
    store: { ...store, recordsMax: config.records_max, recordsOfProviderMax: config.records_of_provider_max },
    groupAsksMax: config.address_group_asks_max,
    lookupTimeoutMs: config.lookup_timeout_ms,
    publishedMax: config.announced_max,
    peerRequestsPerSecond: config.peer_requests_per_second,
    peerBurst: config.peer_requests_per_second * 10,
  };
}
