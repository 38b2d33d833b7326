import { createTreeHasher } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { ErasureCode } from './erasure-code.ts';
import { type BadShard, ShardReader, type ShardSource } from './shard-reader.ts';
import { type StripeLayout, stripeLayout, unitBytes, unitBytesMax } from './stripe-layout.ts';
import type { StripeManifest } from './stripe-manifest.ts';

/** Bytes of all shards together that are read at a time; more only where k units are more. */
const readBytesMax = 2 * 1024 * 1024;

export interface RebuildOptions {
  readonly source: ShardSource;
  /** Takes the next bytes, in order; they are used again once it resolves, or returns. */
  readonly write: (offset: number, bytes: Uint8Array) => Promise<void> | void;
  /** Told once for each shard that is wrong or cannot be had. */
  readonly onBadShard?: BadShard;
}

/**
 * Rebuilds an object from any k of its shards. What `write` got is the object only once this resolves: the address of the
 * whole is checked at the end, because a manifest may list shards that belong to something else. Throws `integrity` then,
 * or when too many shards are wrong, and `unavailable` when too few can be had. Memory: about 4 MiB, or three stripes.
 */
export async function rebuildObject(manifest: StripeManifest, options: RebuildOptions): Promise<void> {
  const layout = stripeLayout(manifest.size, manifest.k);
  const wanted = Array.from({ length: manifest.k }, (_, index) => index);
  const object = createTreeHasher();
  for await (const { stripe, units } of rebuiltStripes(manifest, layout, wanted, [], options)) {
    let offset = stripe * manifest.k * unitBytesMax;
    for (const unit of units) {
      const bytes = unit.subarray(0, Math.max(0, manifest.size - offset));
      if (bytes.length === 0) break;
      object.update(bytes);
      await options.write(offset, bytes);
      offset += bytes.length;
    }
  }
  demand(object.finish().root, manifest.address, 'the shards of the manifest do not make the object that it names');
}

/** Rebuilds one shard from any k others. Promises and refusals are those of `rebuildObject`. */
export async function repairShard(manifest: StripeManifest, index: number, options: RebuildOptions): Promise<void> {
  const shard = manifest.shards[index];
  if (shard === undefined) throw new RonError('bad_request', 'the manifest has no such shard');
  const layout = stripeLayout(manifest.size, manifest.k);
  const hasher = createTreeHasher();
  for await (const { stripe, units } of rebuiltStripes(manifest, layout, [index], [index], options)) {
    const bytes = units[0]!;
    hasher.update(bytes);
    await options.write(stripe * unitBytesMax, bytes);
  }
  demand(hasher.finish().root, shard.address, 'the other shards do not make this one: the manifest is wrong');
}

interface RebuiltStripe {
  readonly stripe: number;
  /** In the order of the wanted shards. */
  readonly units: readonly Uint8Array[];
}

async function* rebuiltStripes(
  manifest: StripeManifest,
  layout: StripeLayout,
  wanted: readonly number[],
  without: readonly number[],
  { source, onBadShard }: RebuildOptions,
): AsyncGenerator<RebuiltStripe, void, undefined> {
  const code = new ErasureCode(manifest);
  const reader = new ShardReader(manifest, source, without, onBadShard ?? (() => undefined));
  const made = wanted.map(() => new Uint8Array(unitBytesMax));
  const stripesAtOnce = Math.max(1, Math.floor(readBytesMax / (manifest.k * unitBytesMax)));
  for (let first = 0; first < layout.stripes; first += stripesAtOnce) {
    const start = first * unitBytesMax;
    const length = Math.min(stripesAtOnce * unitBytesMax, layout.shardSize - start);
    const spans = await reader.read(start, length);
    const last = Math.min(first + stripesAtOnce, layout.stripes);
    for (let stripe = first; stripe < last; stripe++) {
      const at = (stripe - first) * unitBytesMax;
      const bytes = unitBytes(layout, stripe);
      const present = new Map([...spans].map(([index, span]) => [index, span.subarray(at, at + bytes)]));
      yield { stripe, units: unitsOf(code, present, wanted, made, bytes) };
    }
  }
}

function unitsOf(
  code: ErasureCode,
  present: ReadonlyMap<number, Uint8Array>,
  wanted: readonly number[],
  made: readonly Uint8Array[],
  bytes: number,
): readonly Uint8Array[] {
  const absent = wanted.filter((index) => !present.has(index));
  const into = absent.map((_, index) => made[index]!.subarray(0, bytes));
  code.reconstruct([...present.keys()], [...present.values()], absent, into);
  return wanted.map((index) => present.get(index) ?? into[absent.indexOf(index)]!);
}

function demand(root: Uint8Array, address: string, message: string): void {
  if (addressFromHash(root) !== address) throw new RonError('integrity', message);
}
