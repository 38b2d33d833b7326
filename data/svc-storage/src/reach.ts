import type { Address } from '@ron/naming';
import { manifestBytesMax, parseManifest } from '@ron/naming';
import type { CallContext, Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { mailboxContract } from '@ron/proto/mailbox';
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

/** The services whose state stands for objects. */
export interface RootPeers {
  readonly index: Pick<Peer<typeof indexContract>, 'roots'>;
  readonly mailbox: Pick<Peer<typeof mailboxContract>, 'roots'>;
}

export interface Root {
  readonly kind: 'name' | 'message';
  /** The name, or `<box>/<message id>`. */
  readonly id: string;
  readonly address: Address;
}

/**
 * Everything that names and messages stand for, page by page. Any failure of a peer is `unavailable`: nothing may be
 * concluded without it.
 */
export async function* rootsOf(
  { index, mailbox }: RootPeers,
  context: CallContext | undefined,
): AsyncGenerator<readonly Root[]> {
  for await (const roots of pagesOf('names', index.roots, context)) {
    yield roots.map(({ name, address }) => ({ kind: 'name', id: name, address: address as Address }));
  }
  for await (const roots of pagesOf('messages', mailbox.roots, context)) {
    yield roots.map(({ box, id, address }) => ({ kind: 'message', id: `${box}/${id}`, address: address as Address }));
  }
}

interface Page<T> {
  readonly roots: readonly T[];
  readonly cursor?: string;
}

type AskForPage<T> = (input: { cursor?: string }, options: { context?: CallContext }) => Promise<Page<T>>;

async function* pagesOf<T>(
  what: string,
  ask: AskForPage<T>,
  context: CallContext | undefined,
): AsyncGenerator<readonly T[]> {
  const refused = (cause: unknown) => new RonError('unavailable', `the ${what} cannot be read now`, { cause });
  let cursor: string | undefined;
  do {
    let page: Page<T>;
    try {
      page = await ask(cursor === undefined ? {} : { cursor }, context === undefined ? {} : { context });
    } catch (error) {
      throw refused(error);
    }
    yield page.roots;
    if (page.cursor !== undefined && page.cursor === cursor) throw refused('a page comes twice');
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
