import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEntryPath } from '@ron/naming';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';

/** Entries of one bundle; the manifest format's limit. */
const filesMax = 100_000;

export interface WalkedFile {
  /** In the bundle: relative, with slashes, in Unicode normalization form C. */
  readonly entryPath: string;
  readonly filePath: string;
  readonly sizeBytes: number;
}

export interface Walk {
  /** Sorted by entry path, as manifests are. */
  readonly files: readonly WalkedFile[];
  readonly totalBytes: number;
  /** Symbolic links, sockets, devices: entry paths of what was left out. */
  readonly skipped: readonly { readonly path: string; readonly what: string }[];
}

/** Every regular file below a folder. Symbolic links are not followed: what is outside the folder stays there. */
export async function walkFolder(root: string, signal: AbortSignal): Promise<Walk> {
  const files: WalkedFile[] = [];
  const skipped: { path: string; what: string }[] = [];
  const pending = [''];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for await (const entry of await opendir(join(root, folder))) {
      signal.throwIfAborted();
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) pending.push(path);
      else if (!entry.isFile()) skipped.push({ path, what: entry.isSymbolicLink() ? 'symbolic link' : 'special file' });
      else if (files.push(await walked(root, path)) > filesMax) throw tooMany(root);
    }
  }
  files.sort((left, right) => (left.entryPath < right.entryPath ? -1 : 1));
  skipped.sort((left, right) => (left.path < right.path ? -1 : 1));
  return { files, skipped, totalBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

async function walked(root: string, path: string): Promise<WalkedFile> {
  const filePath = join(root, path);
  const { size } = await lstat(filePath);
  return { entryPath: entryPathOf(path, filePath), filePath, sizeBytes: size };
}

function entryPathOf(path: string, filePath: string): string {
  try {
    return parseEntryPath(path.normalize('NFC'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(exitCodes.usage, `${filePath} has a name that no bundle can hold: ${reason}`, {
      why: 'bad_request',
      next: 'mv … …   (rename it, then try again)',
      cause,
    });
  }
}

function tooMany(root: string): CliError {
  return new CliError(exitCodes.limit, `${root} holds more than ${filesMax.toLocaleString('en-US')} files`, {
    why: 'payload_too_large: a bundle has a limit',
    next: `ron put -r ${join(root, '…')}   (one bundle for each folder in it)`,
  });
}
