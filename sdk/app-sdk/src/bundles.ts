import {
  encodeManifest,
  findEntry,
  type ManifestEntryInput,
  parseAddress,
  parseEntryPath,
  parseManifest,
} from '@ron/naming';
import { replyOptions } from './blobs.ts';
import type { Caller } from './caller.ts';
import type { Blobs, BundleSource, Bundles, CallOptions, Progress, ReadableSource } from './client.ts';
import { clientError, RonClientError } from './errors.ts';
import { mimeOf } from './mime.ts';
import { blobReply } from './reply.ts';
import { openRead } from './resumption.ts';
import { collect, once, rereadable } from './streams.ts';

/** Addresses asked about at once; the protocol's limit. */
const askedAtOnce = 1_000;
/** Uploads under way at once. */
const parallel = 16;
/** Sources read and hashed at once: hides the waiting for files without holding many of them in memory. */
const preparedAtOnce = 4;

interface Prepared {
  readonly entry: ManifestEntryInput;
  readonly source: ReadableSource;
}

export function createBundles(caller: Caller, blobs: Blobs): Bundles {
  return {
    async put(entries, given = {}) {
      const deadlineMs = caller.deadlineOf(given);
      const { onProgress } = given;
      // One deadline, signal and corr_id over all the requests of a bundle.
      const within = () => caller.within(deadlineMs, given);
      const manifest: ManifestEntryInput[] = [];
      let storedEntries = 0;
      let sentBytes = 0;
      let doneBytes = 0;
      const advance = (bytes: number) => {
        doneBytes += bytes;
        onProgress?.({ doneBytes, totalBytes: undefined });
      };
      for await (const batch of batches(entries, askedAtOnce)) {
        const prepared = await inParallel(batch, preparedAtOnce, (item) => prepare(item, blobs));
        const sent = await putMissing(prepared, blobs, within, advance);
        storedEntries += sent.stored;
        sentBytes += sent.bytes;
        manifest.push(...prepared.map(({ entry }) => entry));
      }
      const bytes = encodeManifest(manifest);
      const put = await blobs.put(bytes, within());
      return { ...put, sentBytes: put.sentBytes + sentBytes, storedEntries, entries: parseManifest(bytes).entries };
    },
    async open(address, options) {
      const reply = await blobs.get(address, options);
      const manifest = parseManifest(await reply.bytes());
      return {
        address,
        entries: manifest.entries,
        async get(path, getOptions = {}) {
          const entry = findEntry(manifest, parseEntryPath(path));
          if (entry === undefined) throw clientError('not_found', `the bundle has no entry ${path}`, { corrId: '' });
          const input = { address: parseAddress(address), path };
          const read = await openRead(caller, getOptions, (fields, call) =>
            caller.call('entry', { ...input, ...fields }, { ...call, streamed: true }),
          );
          // The manifest was verified against its address, so the entry's address is trusted and the reply's is not.
          const options = replyOptions(parseAddress(entry.address), getOptions, read);
          return { ...blobReply(read.reply, options), contentType: entry.mime };
        },
      };
    },
  };
}

async function prepare(item: BundleSource, blobs: Blobs): Promise<Prepared> {
  const source = rereadable(item.source) ?? rereadable(await collect(once(item.source)))!;
  const address = await blobs.address(source);
  const entry = {
    path: parseEntryPath(item.path),
    address: parseAddress(address),
    size: source.sizeBytes,
    mime: item.mime ?? mimeOf(item.path),
  };
  return { entry, source };
}

async function putMissing(
  prepared: readonly Prepared[],
  blobs: Blobs,
  within: () => CallOptions,
  advance: (bytes: number) => void,
) {
  const byAddress = new Map(prepared.map((item) => [item.entry.address as string, item.source]));
  const missing = await missingOf([...byAddress.keys()], blobs, within());
  let left = prepared.reduce((sum, { entry }) => sum + entry.size, 0);
  const results = await inParallel(missing, parallel, (address) => {
    let most = 0;
    // An attempt that is repeated starts to count anew; only what is beyond the last one is progress.
    const onProgress = ({ doneBytes }: Progress) => {
      const more = Math.max(0, doneBytes - most);
      most += more;
      left -= more;
      advance(more);
    };
    return blobs.put(byAddress.get(address)!, { ...within(), onProgress, address, assumeMissing: true });
  });
  // What the node had already, and content that is there more than once.
  advance(left);
  return {
    stored: results.filter(({ stored }) => stored).length,
    bytes: results.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
  };
}

/** Asking takes the right to read objects; with the right to write alone, everything is sent. */
async function missingOf(addresses: readonly string[], blobs: Blobs, options: CallOptions) {
  try {
    return (await blobs.has(addresses, options)).missing;
  } catch (thrown) {
    if (thrown instanceof RonClientError && thrown.code === 'forbidden') return addresses;
    throw thrown;
  }
}

/** In the order of `items`. After a failure nothing new begins, and it is thrown once what runs has ended. */
async function inParallel<T, R>(items: readonly T[], atOnce: number, run: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  const queue = items.entries();
  let failed = false;
  const worker = async () => {
    for (const [index, item] of queue) {
      if (failed) return;
      try {
        results[index] = await run(item);
      } catch (thrown) {
        failed = true;
        throw thrown;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return results;
}

async function* batches<T>(items: AsyncIterable<T> | Iterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
