import { createTreeHasher, type Tree, type TreeHasher } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { type CodeParameters, codeDefault, ErasureCode } from './erasure-code.ts';
import { stripeLayout, unitBytesMax } from './stripe-layout.ts';
import type { StripeManifest } from './stripe-manifest.ts';

export interface EncodeStripesOptions {
  readonly code?: CodeParameters;
  /** Takes the next bytes of a shard, in order; they are used again once it resolves, or returns. */
  readonly write: (shard: number, offset: number, bytes: Uint8Array) => Promise<void> | void;
}

export interface EncodedStripes {
  readonly manifest: StripeManifest;
  /** Outboards of the shards, by index. */
  readonly outboards: readonly Uint8Array[];
}

/**
 * Spreads an object over k + m shards in one pass. Memory: one stripe, (k + m) · 64 KiB, and 77 bytes for each group of
 * the object until its end (10 + 4). Throws `bad_request` for an empty object; what source and `write` throw passes
 * through.
 */
export async function encodeStripes(source: ByteStream, options: EncodeStripesOptions): Promise<EncodedStripes> {
  const stripe = new StripeWriter(new ErasureCode(options.code ?? codeDefault), options.write);
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; ) {
      at += stripe.fill(bytes.subarray(at));
      if (stripe.full) await stripe.flush();
    }
  }
  return stripe.finish();
}

class StripeWriter {
  readonly #code: ErasureCode;
  readonly #write: EncodeStripesOptions['write'];
  readonly #data: Uint8Array;
  readonly #parity: Uint8Array;
  readonly #object: TreeHasher = createTreeHasher();
  readonly #shards: readonly TreeHasher[];
  #filled = 0;
  #offset = 0;

  constructor(code: ErasureCode, write: EncodeStripesOptions['write']) {
    this.#code = code;
    this.#write = write;
    this.#data = new Uint8Array(code.k * unitBytesMax);
    this.#parity = new Uint8Array(code.m * unitBytesMax);
    this.#shards = Array.from({ length: code.k + code.m }, () => createTreeHasher());
  }

  get full(): boolean {
    return this.#filled === this.#data.length;
  }

  fill(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.#data.length - this.#filled);
    this.#object.update(taken);
    this.#data.set(taken, this.#filled);
    this.#filled += taken.length;
    return taken.length;
  }

  async flush(): Promise<void> {
    const { k, m } = this.#code;
    const unit = Math.ceil(this.#filled / k);
    this.#data.fill(0, this.#filled, unit * k);
    const data = Array.from({ length: k }, (_, index) => this.#data.subarray(index * unit, (index + 1) * unit));
    const parity = Array.from({ length: m }, (_, index) => this.#parity.subarray(index * unit, (index + 1) * unit));
    this.#code.encode(data, parity);
    for (const [index, bytes] of [...data, ...parity].entries()) {
      this.#shards[index]!.update(bytes);
      await this.#write(index, this.#offset, bytes);
    }
    this.#offset += unit;
    this.#filled = 0;
  }

  async finish(): Promise<EncodedStripes> {
    if (this.#object.size === 0) throw new RonError('bad_request', 'an empty object has nothing to spread');
    if (this.#filled > 0) await this.flush();
    const { root, size } = this.#object.finish();
    const trees: readonly Tree[] = this.#shards.map((shard) => shard.finish());
    const manifest: StripeManifest = {
      type: 'stripe',
      v: 1,
      address: addressFromHash(root),
      size,
      k: this.#code.k,
      m: this.#code.m,
      shard_size: stripeLayout(size, this.#code.k).shardSize,
      shards: trees.map((tree, index) => ({ index, address: addressFromHash(tree.root) })),
    };
    return { manifest, outboards: trees.map(({ outboard }) => outboard) };
  }
}
