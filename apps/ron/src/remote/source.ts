import type { BlobReply, Range } from '@ron/app-sdk';
import { isAddress, manifestBytesMax, parseManifest } from '@ron/naming';
import type { ByteStream } from '@ron/proto/stream';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { hasCode } from '../refusal.ts';
import type { Session } from '../session.ts';

export interface ReadFields {
  readonly range?: Range;
  readonly onProgress?: (progress: { doneBytes: number; totalBytes: number | undefined }) => void;
}

export interface SourceReply extends BlobReply {
  /** Set when it was read by name. */
  readonly name?: string;
  readonly version?: number;
}

/** What a person names: an address or a name, either with perhaps a path in a bundle behind it. */
export interface Source {
  readonly text: string;
  readonly kind: 'address' | 'name';
  /** By name when it has one: then a capability for that name is enough. */
  read(fields?: ReadFields): Promise<SourceReply>;
}

export function parseSource(session: Session, text: string): Source {
  const { client, signal } = session;
  if (isAddress(text)) {
    return { text, kind: 'address', read: (fields) => client.blobs.get(text, { ...fields, signal }) };
  }
  const slash = text.indexOf('/');
  const manifest = slash < 0 ? '' : text.slice(0, slash);
  if (isAddress(manifest)) {
    return {
      text,
      kind: 'address',
      async read(fields) {
        const bundle = await client.bundles.open(manifest, { signal });
        return bundle.get(text.slice(slash + 1), { ...fields, signal });
      },
    };
  }
  if (text.startsWith('b3:')) {
    throw usageError(`"${text}" is not an address: b3: and 64 lower-case hex digits`, `${session.command} --help`);
  }
  if (text === '' || text.startsWith('/')) {
    throw usageError(`"${text}" is neither an address nor a name`, `${session.command} --help`);
  }
  return {
    text,
    kind: 'name',
    async read(fields) {
      const reply = await client.names.get(text, { ...fields, signal });
      if (reply.location !== undefined) throw folderError(text);
      if (fields?.range !== undefined || reply.size > manifestBytesMax) return reply;
      return { ...reply, stream: refusingManifest(reply.stream, text) };
    },
  };
}

const opening = new TextEncoder().encode('{"entries":[');

/** A bundle without a page of its own answers with its manifest, which is not what a reader of a file is after. */
async function* refusingManifest(stream: ByteStream, text: string): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] | undefined = [];
  for await (const piece of stream) {
    if (held?.length === 0 && !opening.every((byte, index) => piece[index] === byte)) held = undefined;
    if (held === undefined) yield piece;
    else held.push(piece);
  }
  if (held === undefined) return;
  const whole = Buffer.concat(held);
  if (isManifest(whole)) throw folderError(text);
  yield whole;
}

function isManifest(bytes: Uint8Array): boolean {
  if (bytes.byteLength === 0) return false;
  try {
    parseManifest(bytes);
    return true;
  } catch (thrown) {
    if (hasCode(thrown, 'bad_request')) return false;
    throw thrown;
  }
}

function folderError(text: string): CliError {
  const base = text.replace(/\/+$/, '');
  return new CliError(exitCodes.usage, `${base} is a folder`, {
    why: 'usage: one file can be read at a time, or with -r the folder',
    next: `ron get -r ${base} -o ${base.split('/').at(-1)}   (or a file in it: ron get ${base}/…)`,
  });
}
