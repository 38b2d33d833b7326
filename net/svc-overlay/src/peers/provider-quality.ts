import type { NodeId } from '@ron/proto/network';

/** Providers that are remembered; the one used longest ago is forgotten. */
export const providersMax = 4_096;
/** Weight of the newest transfer. */
const newest = 0.3;
/** What a provider that was never used is thought to give: it is tried before the slow and before those who fail. */
const unknownBytesPerSecond = 4_000_000;

export interface Quality {
  /** Bytes in a second, decaying average of the transfers that brought any. */
  readonly throughput: number;
  /** Share of transfers that failed, 0 to 1, decaying. */
  readonly failures: number;
}

/** What transfers from other nodes were like. */
export class ProviderQuality {
  readonly #providers = new Map<NodeId, Quality>();

  get size(): number {
    return this.#providers.size;
  }

  get(id: NodeId): Quality | undefined {
    return this.#providers.get(id);
  }

  /** A transfer that brought `bytes` in `durationMs`, more than 0. */
  succeeded(id: NodeId, bytes: number, durationMs: number): void {
    const rate = (bytes * 1_000) / Math.max(1, durationMs);
    const { throughput = rate, failures = 0 } = this.#providers.get(id) ?? {};
    this.#put(id, { throughput: throughput + newest * (rate - throughput), failures: failures * (1 - newest) });
  }

  failed(id: NodeId): void {
    const { throughput = unknownBytesPerSecond, failures = 0 } = this.#providers.get(id) ?? {};
    this.#put(id, { throughput, failures: failures + newest * (1 - failures) });
  }

  /** Best first: by the bytes that a try brings in a second, on average. Equals stay in their order. */
  rank<T extends { readonly id: NodeId }>(providers: readonly T[]): T[] {
    return providers
      .map((provider) => ({ provider, worth: this.#worthOf(provider.id) }))
      .sort((one, other) => other.worth - one.worth)
      .map(({ provider }) => provider);
  }

  entries(): [NodeId, Quality][] {
    return [...this.#providers];
  }

  restore(entries: readonly (readonly [NodeId, Quality])[]): void {
    for (const [id, quality] of entries) this.#put(id, quality);
  }

  #worthOf(id: NodeId): number {
    const { throughput = unknownBytesPerSecond, failures = 0 } = this.#providers.get(id) ?? {};
    return throughput * (1 - failures);
  }

  #put(id: NodeId, quality: Quality): void {
    this.#providers.delete(id);
    this.#providers.set(id, quality);
    if (this.#providers.size <= providersMax) return;
    for (const oldest of this.#providers.keys()) {
      this.#providers.delete(oldest);
      return;
    }
  }
}
