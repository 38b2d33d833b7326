import type { StoreRules } from './record-store.ts';
import type { TableRules } from './routing-table.ts';

/** Every number of the algorithm. docs/specs/dht.md says where each comes from. */
export interface DhtRules {
  readonly table: TableRules;
  readonly store: StoreRules;
  /** Requests of a lookup that are waited for at once: α. */
  readonly parallel: number;
  /** Ways of a search that share no node: β. */
  readonly paths: number;
  readonly hedgeMs: number;
  readonly rpcTimeoutMs: number;
  readonly lookupTimeoutMs: number;
  readonly lookupAsksMax: number;
  /** Nodes of one address group that a lookup asks. */
  readonly groupAsksMax: number;
  /** Nodes expected in the region that keeps a record; 0: the k nearest keep it, as in plain Kademlia. */
  readonly regionNodesMin: number;
  /** Nodes of a region that a record is sent to at most. */
  readonly regionNodesMax: number;
  readonly recordTtlMs: number;
  readonly republishMs: number;
  /** Keys that this node announces. */
  readonly publishedMax: number;
  /** Milliseconds between two looks at the table: one ping, perhaps a refresh. */
  readonly upkeepMs: number;
  /** Milliseconds in which each bucket is looked into once. */
  readonly refreshMs: number;
  /** Requests a second of one peer, and how many it may save up. */
  readonly peerRequestsPerSecond: number;
  readonly peerBurst: number;
}

const hourMs = 3_600_000;

export const dhtRulesDefault: DhtRules = {
  table: { k: 20, groupInBucketMax: 2, groupInTableMax: 10 },
  store: { recordsMax: 200_000, recordsOfKeyMax: 32, recordsOfProviderMax: 20_000, groupOfKeyMax: 2 },
  parallel: 3,
  paths: 2,
  hedgeMs: 250,
  rpcTimeoutMs: 1_500,
  lookupTimeoutMs: 10_000,
  lookupAsksMax: 100,
  groupAsksMax: 4,
  regionNodesMin: 24,
  regionNodesMax: 80,
  recordTtlMs: 24 * hourMs,
  republishMs: 12 * hourMs,
  publishedMax: 1_000_000,
  upkeepMs: 60_000,
  refreshMs: hourMs,
  peerRequestsPerSecond: 50,
  peerBurst: 500,
};
