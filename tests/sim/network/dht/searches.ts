import type { SimRandom } from '@ron/kernel/sim';
import type { DhtKey } from '@ron/proto/dht';
import { findProviders } from '@ron/svc-dht/service';
import { mean, quantile, rounded } from '../quantiles.ts';
import type { Cluster } from './cluster.ts';

/** A key and who announced it. */
export interface PlacedKey {
  readonly key: DhtKey;
  readonly provider: string;
  readonly stored: number;
}

/** What searches came to. */
export class Searches {
  made = 0;
  found = 0;
  readonly hops: number[] = [];
  readonly firstMs: number[] = [];
  readonly asked: number[] = [];
  /** Records that were believed, of somebody who never announced the key. */
  forged = 0;

  get successRate(): number {
    return this.made === 0 ? Number.NaN : this.found / this.made;
  }

  /** One search from a node drawn by chance, ended by the first provider. A searcher that dies meanwhile counts for nothing. */
  async make(cluster: Cluster, { key, provider }: PlacedKey, random: SimRandom): Promise<void> {
    const from = cluster.draw(random);
    const { records, hops, firstMs, asked } = await findProviders(from.node, key, 1);
    this.made++;
    cluster.network.scheduler.record(`found ${records.length} by ${hops}`);
    this.forged += records.filter((record) => record.provider.id !== provider).length;
    this.asked.push(asked);
    if (!records.some((record) => record.provider.id === provider)) return;
    this.found++;
    this.hops.push(hops);
    this.firstMs.push(firstMs);
  }

  values(): Record<string, number> {
    return {
      lookups: this.made,
      success_rate: rounded(this.successRate, 5),
      hops_p50: quantile(this.hops, 0.5),
      hops_p99: quantile(this.hops, 0.99),
      lookup_p50_ms: rounded(quantile(this.firstMs, 0.5)),
      lookup_p95_ms: rounded(quantile(this.firstMs, 0.95)),
      lookup_p99_ms: rounded(quantile(this.firstMs, 0.99)),
      asked_mean: rounded(mean(this.asked), 2),
      asked_p50: quantile(this.asked, 0.5),
      asked_p99: quantile(this.asked, 0.99),
    };
  }
}

/** Announces `count` keys, each from a node drawn by chance, and waits until they are placed. */
export async function placeKeys(cluster: Cluster, count: number, random: SimRandom): Promise<PlacedKey[]> {
  const placing: Promise<PlacedKey>[] = [];
  for (let index = 0; index < count; index++) {
    const { publisher, contact } = cluster.draw(random);
    const key = Buffer.from(random.bytes(32)).toString('hex');
    publisher.add(key);
    const placed = publisher.publish([key]).then(({ stored }) => ({ key, provider: contact.id, stored }));
    placing.push(placed);
  }
  return cluster.network.scheduler.settle(Promise.all(placing), 600_000);
}
