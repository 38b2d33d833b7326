import { parseAddress } from '@ron/naming';
import type { Handlers } from '@ron/proto/contract';
import type { dhtContract, ProviderRecord } from '@ron/proto/dht';
import type { DhtNode } from '../dht-node.ts';
import { keyOfAddress } from '../key.ts';
import type { DhtMeters } from '../meters.ts';
import { findProviders, type MayTrust } from '../search.ts';

/** Providers that one search asks for unless it says otherwise: as many as a download reads from. */
export const wantDefault = 5;

/** Whether a record of an object is taken; see `MayTrust`. */
export type MayTrustOf = (record: ProviderRecord, address: string) => boolean | Promise<boolean>;

export function judgeOf(mayTrust: MayTrustOf | undefined, address: string): MayTrust | undefined {
  return mayTrust && ((record) => mayTrust(record, address));
}

export function createLocate(
  node: DhtNode,
  meters: DhtMeters,
  mayTrust?: MayTrustOf,
): Handlers<typeof dhtContract>['locate'] {
  return async ({ address, want = wantDefault }) => {
    const key = keyOfAddress(parseAddress(address), node.ports.blake3);
    const { records, hops, asked, firstMs, tookMs } = await findProviders(node, key, want, judgeOf(mayTrust, address));
    meters.searched(records.length > 0, firstMs);
    return { records: [...records], hops, asked, took_ms: Math.round(tookMs) };
  };
}
