import { stat } from 'node:fs/promises';

import { type BundleSource, type PutResult, type ReadableSource, resumableBytesMin } from '@ron/app-sdk';
import { usageError } from '../cli-error.ts';
import { walkFolder } from '../files/folder-walk.ts';
import { lazyFile } from '../files/lazy-file.ts';
import { formatBytes, formatCount } from '../output/format.ts';
import { explained, orAlone } from '../remote/network.ts';
import type { Session } from '../session.ts';
import { parseCopies, shortNode } from './pin.ts';

export interface PutFlags {
  readonly name?: string;
  readonly recursive?: boolean;
  readonly copies?: string;
}

/** Symbolic links and the like that are named one by one. */
const skippedShown = 10;

export async function runPut(session: Session, [path = '']: string[], flags: PutFlags): Promise<undefined> {
  // A wrong name is worth knowing before gigabytes travel.
  if (flags.name !== undefined) (await import('@ron/naming')).parseName(flags.name);
  const copies = flags.copies === undefined ? undefined : parseCopies(flags.copies);
  const stored = await store(session, path, flags, copies);
  const { result } = stored;
  const { client, output, signal } = session;
  const named = flags.name === undefined ? undefined : await client.names.set(flags.name, result.address, { signal });
  if (result.stored) output.note(stored.summary);
  else output.note(`already stored, ${result.sentBytes} bytes sent`);
  if (named !== undefined) output.note(`${named.name} is now version ${named.version}`);
  const value = {
    address: result.address,
    size: result.size,
    stored: result.stored,
    sent_bytes: result.sentBytes,
    durability: result.durability,
    ...stored.extra,
    ...(named === undefined ? {} : { name: named.name, version: named.version }),
  };
  output.result(value, () => result.address);
  return undefined;
}

interface Stored {
  readonly result: PutResult;
  readonly summary: string;
  readonly extra: object;
}

async function store(session: Session, path: string, flags: PutFlags, copies: number | undefined): Promise<Stored> {
  if (path === '-') {
    if (flags.recursive) throw usageError('stdin is not a folder', 'ron put --help');
    return putStdin(session, copies);
  }
  const found = await stat(path);
  if (flags.recursive) {
    if (!found.isDirectory()) throw usageError(`${path} is a file, not a folder`, `ron put ${path}`);
    return putFolder(session, path, copies);
  }
  if (found.isDirectory()) throw usageError(`${path} is a folder`, `ron put -r ${path}`);
  // Pipes and devices say nothing about their length and cannot be read twice.
  if (!found.isFile()) throw usageError(`${path} is not a regular file`, `ron put - < ${path}`);
  return putFile(session, path, found.size, copies);
}

async function putFile(session: Session, path: string, sizeBytes: number, copies: number | undefined): Promise<Stored> {
  const { client, signal } = session;
  const source = lazyFile(path, sizeBytes);
  const address = await hashed(session, source);
  let reachedBytes = 0;
  try {
    using progress = session.progress('put');
    const result = await client.blobs.put(source, {
      address,
      signal,
      ...copiesField(copies),
      onProgress({ doneBytes, totalBytes }) {
        reachedBytes = doneBytes;
        progress.update(doneBytes, totalBytes);
      },
    });
    return { result, summary: storedText(result), extra: copiesShown(result) };
  } catch (refusal) {
    const thrown = explained(refusal);
    if (signal.aborted && sizeBytes >= resumableBytesMin && reachedBytes > 0) {
      session.output.note('the node keeps what arrived: repeat the command to go on from there');
    }
    throw thrown;
  }
}

async function hashed(session: Session, source: ReadableSource): Promise<string> {
  using progress = session.progress('hash');
  const { sizeBytes } = source;
  async function* counted() {
    let doneBytes = 0;
    for await (const piece of source.read(0, sizeBytes)) {
      session.signal.throwIfAborted();
      yield piece;
      doneBytes += piece.byteLength;
      progress.update(doneBytes, sizeBytes);
    }
  }
  return session.client.blobs.address(counted());
}

async function putStdin(session: Session, copies: number | undefined): Promise<Stored> {
  using progress = session.progress('put');
  const result = await orAlone(
    session.client.blobs.put(session.input, {
      signal: session.signal,
      ...copiesField(copies),
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
    }),
  );
  return { result, summary: storedText(result), extra: copiesShown(result) };
}

async function putFolder(session: Session, path: string, copies: number | undefined): Promise<Stored> {
  using progress = session.progress('put');
  const { client, output, signal } = session;
  const walk = await walkFolder(path, signal);
  for (const { path: left, what } of walk.skipped.slice(0, skippedShown)) output.warn(`left out ${left}: ${what}`);
  if (walk.skipped.length > skippedShown) {
    output.warn(
      `left out ${formatCount(walk.skipped.length - skippedShown, 'more entry').replace('entrys', 'entries')}`,
    );
  }
  const result = await client.bundles.put(walk.files.map(asBundleSource), {
    signal,
    onProgress: ({ doneBytes }) => progress.update(doneBytes, walk.totalBytes),
  });
  // Each file is an object of its own; the manifest goes last, so that a bundle in copies is whole.
  const objects =
    copies === undefined ? [] : [...new Set([...result.entries.map(({ address }) => address), result.address])];
  for (const address of objects) await orAlone(client.pins.pin(address, copies ?? 1, { signal }));
  const summary =
    `${formatCount(walk.files.length, 'file')}, ${formatBytes(walk.totalBytes)}: ` +
    `${formatCount(result.storedEntries, 'file')} sent, ${formatBytes(result.sentBytes)}`;
  const extra = { files: walk.files.length, stored_files: result.storedEntries, skipped: walk.skipped.length };
  return { result, summary, extra };
}

function asBundleSource(file: { entryPath: string; filePath: string; sizeBytes: number }): BundleSource {
  return { path: file.entryPath, source: lazyFile(file.filePath, file.sizeBytes) };
}

function storedText({ size, durability, copies }: PutResult): string {
  const kept = durability === 'fsync' ? ', on disk' : durability === 'memory' ? ', in memory' : '';
  const nodes =
    copies === undefined ? '' : `, ${formatCount(copies.length, 'node')}: ${copies.map(shortNode).join(' ')}`;
  return `stored ${formatBytes(size)}${kept}${nodes}`;
}

function copiesField(copies: number | undefined) {
  return copies === undefined ? {} : { copies };
}

function copiesShown({ copies }: PutResult) {
  return copies === undefined ? {} : { copies };
}
