import { groupBytes } from '@ron/b3';

/** A full unit is one group, so that a group of the object is a group of one of its shards. */
export const unitBytesMax = groupBytes();

/**
 * Where the bytes of an object lie in its data shards. The object is cut into stripes of k units of 64 KiB; unit j of a
 * stripe goes to shard j. What is left at the end is a stripe of k shorter units of one length, the last of them filled
 * up with zeros. All shards have the same size.
 */
export interface StripeLayout {
  readonly size: number;
  readonly k: number;
  readonly stripes: number;
  readonly shardSize: number;
}

/** Throws `RangeError` for an empty object: there is nothing to spread. */
export function stripeLayout(size: number, k: number): StripeLayout {
  if (!Number.isSafeInteger(size) || size < 1) throw new RangeError('an object of at least one byte is needed');
  const full = Math.floor(size / (k * unitBytesMax));
  const rest = size - full * k * unitBytesMax;
  return { size, k, stripes: full + (rest > 0 ? 1 : 0), shardSize: full * unitBytesMax + Math.ceil(rest / k) };
}

/** Bytes of a unit of the stripe. */
export function unitBytes({ shardSize }: StripeLayout, stripe: number): number {
  return Math.min(unitBytesMax, shardSize - stripe * unitBytesMax);
}
