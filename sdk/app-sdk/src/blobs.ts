import { createTreeHasher } from '@ron/b3';
import { type Address, addressFromHash, parseAddress } from '@ron/naming';
import type { ByteStream } from '@ron/proto/stream';
import type { Caller } from './caller.ts';
import type {
  BlobSource,
  Blobs,
  CallOptions,
  GetOptions,
  PutOptions,
  PutResult,
  ReadableSource,
  TransferOptions,
} from './client.ts';
import { RonClientError } from './errors.ts';
import type { Pins } from './pins.ts';
import { blobReply, type ReplyOptions } from './reply.ts';
import { type OpenedRead, openRead } from './resumption.ts';
import { discard, once, rereadable } from './streams.ts';
import { resumableBytesMin, resumableUpload } from './upload.ts';

export interface Hasher {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

export function createBlobs(caller: Caller, pins: Pick<Pins, 'pin'>, newHasher: () => Hasher = treeHasher): Blobs {
  const store = async (source: BlobSource, options: PutOptions, deadlineMs: number): Promise<PutResult> => {
    const again = rereadable(source);
    if (again === undefined) return putOnce(caller, source, options);
    const address = options.address ?? (await addressOf(again, newHasher));
    const known = !options.assumeMissing && (await isKnown(blobs, address, caller.within(deadlineMs, options)));
    if (known) return { address, size: again.sizeBytes, stored: false, durability: undefined, sentBytes: 0 };
    if (again.sizeBytes >= resumableBytesMin) return resumableUpload(caller, address, again, options);
    return putAt(caller, address, again, { ...options, ...caller.within(deadlineMs, options) });
  };
  const blobs: Blobs = {
    async put(source, options = {}) {
      const { copies } = options;
      const deadlineMs = caller.deadlineOf(options);
      const stored = await store(source, options, deadlineMs);
      if (copies === undefined) return stored;
      const { holders } = await pins.pin(stored.address, copies, caller.within(deadlineMs, options));
      return { ...stored, copies: holders.filter(({ state }) => state !== 'dead') };
    },
    async get(address, options = {}) {
      const trusted = parseAddress(address);
      const read = await openRead(caller, options, (fields, call) =>
        caller.call('get', { address: trusted, ...fields }, { ...call, streamed: true }),
      );
      return blobReply(read.reply, replyOptions(trusted, options, read));
    },
    async has(addresses, options) {
      const { output } = await caller.call('has', { addresses }, options);
      return { present: output['present'] as string[], missing: output['missing'] as string[] };
    },
    async stat(address, options) {
      const reply = await caller.call('get', { address: parseAddress(address), head: true }, options);
      await discard(reply.body);
      return { address, size: Number(reply.output['size']) };
    },
    address: async (source) => addressOf(once(source), newHasher),
  };
  return blobs;
}

/** Asking takes the right to read; with the right to write alone, the bytes are simply sent. */
async function isKnown(blobs: Blobs, address: string, options: CallOptions): Promise<boolean> {
  try {
    return (await blobs.has([address], options)).present.length > 0;
  } catch (thrown) {
    if (thrown instanceof RonClientError && thrown.code === 'forbidden') return false;
    throw thrown;
  }
}

export function replyOptions(address: Address, options: GetOptions, { corrId, resumption }: OpenedRead): ReplyOptions {
  const { range, verify, onProgress } = options;
  return { address, range, verify: verify !== false, corrId, onProgress, resumption };
}

async function putOnce(caller: Caller, source: BlobSource, options: TransferOptions): Promise<PutResult> {
  const counted = counting(once(source), options, undefined);
  const { output } = await caller.call(
    'put',
    {},
    { ...options, mutation: true, streamed: true },
    {
      open: () => counted.stream,
      bytes: undefined,
      repeatable: false,
    },
  );
  return putResult(output, counted.sent());
}

async function putAt(
  caller: Caller,
  address: string,
  source: ReadableSource,
  options: TransferOptions,
): Promise<PutResult> {
  let counted = counting(emptyStream(), options, source.sizeBytes);
  const { output } = await caller.call(
    'put_at',
    { address },
    { ...options, mutation: true, streamed: true },
    {
      open: () => {
        counted = counting(source.read(0, source.sizeBytes), options, source.sizeBytes);
        return counted.stream;
      },
      bytes: source.sizeBytes,
      repeatable: true,
    },
  );
  return putResult(output, counted.sent());
}

export function putResult(output: Readonly<Record<string, unknown>>, sentBytes: number): PutResult {
  return {
    address: output['address'] as string,
    size: output['size'] as number,
    stored: output['stored'] as boolean,
    durability: output['durability'] as PutResult['durability'],
    sentBytes,
  };
}

function counting(source: ByteStream, options: TransferOptions, totalBytes: number | undefined) {
  let doneBytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      yield piece;
      doneBytes += piece.byteLength;
      options.onProgress?.({ doneBytes, totalBytes });
    }
  }
  return { stream: counted(), sent: () => doneBytes };
}

async function* emptyStream(): AsyncGenerator<Uint8Array> {
  yield* [];
}

async function addressOf(source: ReadableSource | ByteStream, newHasher: () => Hasher): Promise<string> {
  const hasher = newHasher();
  const stream = 'sizeBytes' in source ? source.read(0, source.sizeBytes) : source;
  for await (const piece of stream) hasher.update(piece);
  return addressFromHash(hasher.digest());
}

function treeHasher(): Hasher {
  const hasher = createTreeHasher();
  return { update: (bytes) => hasher.update(bytes), digest: () => hasher.finish().root };
}
