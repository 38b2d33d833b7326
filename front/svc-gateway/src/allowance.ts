import type { Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { BucketTable } from './bucket.ts';

/**
 * Body bytes, both directions together, that a capability with `bytes_max` has moved, as far as the node remembers (see
 * `QuotaSnapshots`); what was attenuated from it counts with it. Bounded: past `entriesMax` capabilities that have moved something, the
 * further ones share one count.
 */
export class Allowances {
  readonly #used = new BucketTable<{ bytes: number }>(
    () => ({ bytes: 0 }),
    ({ bytes }) => bytes === 0,
  );

  get size(): number {
    return this.#used.size;
  }

  entries(): Iterable<readonly [string, { readonly bytes: number }]> {
    return this.#used.entries();
  }

  restore(capabilityId: string, bytes: number, entriesMax: number): void {
    this.#used.of(capabilityId, entriesMax).bytes += bytes;
  }

  /** Throws `forbidden` when `bytes` more, or anything at all when it is 0, are not allowed. */
  check({ limits, capabilityId }: Principal, bytes: number, entriesMax: number): void {
    const { bytesMax } = limits;
    if (bytesMax === undefined) return;
    const used = this.#used.of(capabilityId, entriesMax).bytes;
    if (bytes === 0 ? used < bytesMax : used + bytes <= bytesMax) return;
    throw new RonError('forbidden', 'the bytes that this capability may move are used up', {
      details: { limit: 'bytes_max', left: Math.max(0, bytesMax - used) },
    });
  }

  spend({ limits, capabilityId }: Principal, bytes: number, entriesMax: number): void {
    if (limits.bytesMax !== undefined) this.#used.of(capabilityId, entriesMax).bytes += bytes;
  }
}
