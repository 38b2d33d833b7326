import { parseAddress } from '@ron/naming';
import type { Handlers } from '@ron/proto/contract';
import type { dhtContract, ProviderRecord } from '@ron/proto/dht';
import type { DhtNode } from '../dht-node.ts';
import { keyOfAddress } from '../key.ts';
import type { DhtMeters } from '../meters.ts';
import { findProviders } from '../search.ts';

/** Providers that one search asks for unless it says otherwise: as many as a download reads from. */
const wantDefault = 5;

export function createLocate(
  node: DhtNode,
  meters: DhtMeters,
  mayTrust?: (record: ProviderRecord, address: string) => boolean | Promise<boolean>,
): Handlers<typeof dhtContract>['locate'] {
  return async ({ address, want = wantDefault }) => {
    const key = keyOfAddress(parseAddress(address), node.ports.blake3);
    const judge = mayTrust && ((record: ProviderRecord) => mayTrust(record, address));
    const { records, hops, asked, firstMs, tookMs } = await findProviders(node, key, want, judge);
    meters.searched(records.length > 0, firstMs);
    return { records: [...records], hops, asked, took_ms: Math.round(tookMs) };
  };
}
