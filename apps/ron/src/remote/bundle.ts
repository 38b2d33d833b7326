import type { BlobReply, BundleEntry } from '@ron/app-sdk';
import { isAddress, type Manifest, manifestBytesMax, parseManifest } from '@ron/naming';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { hasCode } from '../refusal.ts';
import type { Session } from '../session.ts';

/** A bundle, or a folder in one, as it is read into a local folder. */
export interface RemoteFolder {
  /** Paths are relative to the folder that was asked for. */
  readonly entries: readonly BundleEntry[];
  /** Verified against the manifest, whoever serves it. */
  read(entry: BundleEntry): Promise<BlobReply>;
}

/** Opens `b3:…`, `b3:…/folder`, `name` or `name/folder`. */
export async function openFolder(session: Session, text: string): Promise<RemoteFolder> {
  const path = text.replace(/\/+$/, '');
  const slash = path.indexOf('/');
  const head = slash < 0 ? path : path.slice(0, slash);
  if (isAddress(head)) {
    const rest = slash < 0 ? '' : path.slice(slash + 1);
    return byAddress(session, text, head, rest);
  }
  const { name, address } = await longestName(session, path);
  const rest = path.slice(name.length + 1);
  try {
    return await byAddress(session, text, address, rest);
  } catch (thrown) {
    if (!hasCode(thrown, 'forbidden')) throw thrown;
    return byName(session, text, { name, address, rest });
  }
}

async function byAddress(session: Session, text: string, address: string, rest: string): Promise<RemoteFolder> {
  const { client, signal } = session;
  const reply = await client.blobs.get(address, { signal });
  const manifest = await readManifest(reply, text);
  return {
    entries: below(manifest, rest, text),
    read: (entry) => client.blobs.get(entry.address, { signal }),
  };
}

/** With a capability for the name alone: the manifest and the entries come by the name, and must be those addresses. */
async function byName(session: Session, text: string, place: { name: string; address: string; rest: string }) {
  const { client, signal } = session;
  const { name, address, rest } = place;
  const reply = await client.names.get(name, { signal });
  if (reply.location !== undefined) {
    throw new CliError(exitCodes.notAllowed, `${name} has a page of its own, so its list of files is read by address`, {
      why: 'forbidden: the capability covers the name, not the object',
      next: `ron cap attenuate --read ${name} --read ${address}   (by whoever gave you this one)`,
    });
  }
  const manifest = await readManifest(reply, text);
  const prefix = rest === '' ? '' : `${rest}/`;
  return {
    entries: below(manifest, rest, text),
    async read(entry: BundleEntry) {
      const got = await client.names.get(`${name}/${prefix}${entry.path}`, { signal });
      if (got.address === entry.address) return got;
      throw new CliError(exitCodes.conflict, `${name} was changed while it was read`, {
        why: `conflict: ${entry.path} is no longer the file that its list names`,
        next: `${session.command} -r ${text}`,
      });
    },
  };
}

/** The longest name that is the path or a folder above it, as the node itself matches. */
async function longestName({ client, signal }: Session, path: string): Promise<{ name: string; address: string }> {
  let first: unknown;
  for (let name = path; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('/')))) {
    try {
      return await client.names.resolve(name, { signal });
    } catch (thrown) {
      first ??= thrown;
      // A path in a bundle may be spelled as no name can be; a folder above it is one.
      if (!hasCode(thrown, 'not_found') && !hasCode(thrown, 'bad_request')) throw thrown;
    }
  }
  throw first;
}

async function readManifest(reply: BlobReply, text: string): Promise<Manifest> {
  if (reply.size <= manifestBytesMax) {
    const bytes = await reply.bytes();
    try {
      return parseManifest(bytes);
    } catch (thrown) {
      if (!hasCode(thrown, 'bad_request')) throw thrown;
    }
  }
  throw usageError(`${text} is a file, not a folder`, `ron get ${text}`);
}

function below(manifest: Manifest, rest: string, text: string): readonly BundleEntry[] {
  if (rest === '') return manifest.entries;
  const prefix = `${rest}/`;
  const inside = manifest.entries.filter(({ path }) => path.startsWith(prefix));
  if (inside.length > 0) return inside.map((entry) => ({ ...entry, path: entry.path.slice(prefix.length) }));
  if (manifest.entries.some(({ path }) => path === rest)) {
    throw usageError(`${text} is a file, not a folder`, `ron get ${text}`);
  }
  throw new CliError(exitCodes.notFound, `the bundle has no folder ${rest}`, {
    why: 'not_found',
    next: `ron get -r ${text.slice(0, -rest.length - 1)}`,
  });
}
