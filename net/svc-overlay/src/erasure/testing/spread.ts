import { encodeSlice } from '@ron/b3';
import type { ByteStream } from '@ron/proto/stream';
import type { CodeParameters } from '../erasure-code.ts';
import type { ShardSource } from '../shard-reader.ts';
import { encodeStripes } from '../stripe-encoder.ts';
import type { StripeManifest } from '../stripe-manifest.ts';

export interface Spread {
  readonly manifest: StripeManifest;
  readonly bytes: readonly Uint8Array[];
  readonly outboards: readonly Uint8Array[];
}

async function* inPieces(object: Uint8Array, pieceBytes: number): ByteStream {
  for (let at = 0; at < object.length; at += pieceBytes) yield object.subarray(at, at + pieceBytes);
}

/** An object with its shards in memory. */
export async function collectShards(
  object: Uint8Array,
  code: CodeParameters,
  pieceBytes = object.length,
): Promise<Spread> {
  const written: { readonly offset: number; readonly bytes: Uint8Array }[][] = [];
  const { manifest, outboards } = await encodeStripes(inPieces(object, pieceBytes), {
    code,
    write(shard, offset, bytes) {
      const parts = written[shard] ?? [];
      parts.push({ offset, bytes: bytes.slice() });
      written[shard] = parts;
    },
  });
  const bytes = manifest.shards.map(({ index }) => {
    const shard = new Uint8Array(manifest.shard_size);
    for (const part of written[index]!) shard.set(part.bytes, part.offset);
    return shard;
  });
  return { manifest, bytes, outboards };
}

/** Serves shards from memory; `missing` ones cannot be had, those in `flipped` have a bit turned at that byte. */
export function shardSource(
  { bytes, outboards }: Spread,
  missing: ReadonlySet<number> = new Set(),
  flipped: ReadonlyMap<number, number> = new Map(),
): ShardSource {
  return {
    slice(index, _address, start, length) {
      if (missing.has(index)) throw new Error('the node is gone');
      const shard = bytes[index]!.slice();
      const at = flipped.get(index);
      if (at !== undefined) shard[at]! ^= 1;
      return encodeSlice({
        outboard: outboards[index]!,
        size: shard.length,
        start,
        length,
        readGroup: (group, groupLength) => shard.slice(group * 65_536, group * 65_536 + groupLength),
      });
    },
  };
}
