import type { Address } from '@ron/naming';
import { manifestBytesMax, parseManifest } from '@ron/naming';
import type { CallContext, Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { indexContract } from '@ron/proto/names';
import type { AddressSet } from './address-set.ts';
import type { StoredObject } from './engine.ts';
import type { Pacer } from './pacer.ts';
import type { VerifiedReads } from './verified-reads.ts';

/** How every canonical manifest begins: RFC 8785 puts `entries` before the other members. */
const manifestStart = new TextEncoder().encode('{"entries":[');

/** The addresses that a bundle manifest lists. Empty for any other object. Rejects when the object cannot be read. */
export async function manifestEntries(reads: VerifiedReads, object: StoredObject): Promise<readonly Address[]> {
  if (object.sizeBytes < manifestStart.byteLength || object.sizeBytes > manifestBytesMax) return [];
  const start = await reads.bytes(object, { start: 0, length: manifestStart.byteLength });
  if (!manifestStart.every((byte, index) => start[index] === byte)) return [];
  const bytes = await reads.bytes(object, { start: 0, length: object.sizeBytes });
  try {
    return parseManifest(bytes).entries.map((entry) => entry.address);
  } catch (error) {
    // Not canonical, so no service resolves paths through it: the bytes are an ordinary object.
    if (error instanceof RonError && error.code === 'bad_request') return [];
    throw error;
  }
}

export interface Root {
  readonly name: string;
  readonly address: Address;
}

/** All roots of the index, page by page. Any failure of the index is `unavailable`: nothing may be concluded without it. */
export async function* indexRoots(
  index: Peer<typeof indexContract>,
  context: CallContext | undefined,
): AsyncGenerator<readonly Root[]> {
  let cursor: string | undefined;
  do {
    let page: Awaited<ReturnType<typeof index.roots>>;
    try {
      page = await index.roots(cursor === undefined ? {} : { cursor }, context === undefined ? {} : { context });
    } catch (error) {
      throw new RonError('unavailable', 'the names cannot be read now', { cause: error });
    }
    yield page.roots.map(({ name, address }) => ({ name, address: address as Address }));
    if (page.cursor !== undefined && page.cursor === cursor) {
      throw new RonError('unavailable', 'the names cannot be read now', { cause: 'the index repeats a page' });
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
}

export interface MarkOptions {
  /** Hears of each entry of each manifest that is marked now, also of entries that were marked before. */
  readonly onEdge?: (manifest: Address, entry: Address) => void;
  /** Go on past objects that cannot be read. Without it they are `unavailable`: what they list is unknown. */
  readonly skipDamaged?: true;
}

/**
 * Marks an object and everything that manifests below it list. Objects that are not here are not marked.
 * Memory: the queue holds each object once.
 */
export async function markFrom(
  reads: VerifiedReads,
  marks: AddressSet,
  root: Address,
  pacer: Pacer,
  options: MarkOptions = {},
): Promise<void> {
  const queue: StoredObject[] = [];
  const meet = (address: Address) => {
    const object = reads.blobs.stat(address);
    if (object !== undefined && marks.add(object.address)) queue.push(object);
  };
  meet(root);
  for (let object = queue.pop(); object !== undefined; object = queue.pop()) {
    if (pacer.due()) await pacer.pause();
    for (const entry of await entriesOf(reads, object, options)) {
      options.onEdge?.(object.address, entry);
      meet(entry);
    }
  }
}

async function entriesOf(
  reads: VerifiedReads,
  object: StoredObject,
  options: MarkOptions,
): Promise<readonly Address[]> {
  try {
    return await manifestEntries(reads, object);
  } catch (error) {
    const code = error instanceof RonError ? error.code : undefined;
    if (code === 'not_found' || (code === 'integrity' && options.skipDamaged)) return [];
    // What a damaged manifest listed is unknown, so nothing can be said to be unheld until it is stored again.
    throw new RonError('unavailable', 'a held object that may be a bundle is damaged: store it again or release it', {
      details: { address: object.address },
      cause: error,
    });
  }
}
