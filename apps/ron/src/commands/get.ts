import { stat } from 'node:fs/promises';
import type { BlobReply } from '@ron/app-sdk';
import { isAddress } from '@ron/naming';
import type { ByteStream } from '@ron/proto/stream';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { pipeTo } from '../output/byte-sink.ts';
import { formatBytes, formatCount } from '../output/format.ts';
import { isTextual } from '../output/printable.ts';
import { parseSource, type Source } from '../remote/source.ts';
import type { Session } from '../session.ts';
import { parseByteRange } from '../values/byte-range.ts';

export interface GetFlags {
  readonly output?: string;
  readonly range?: string;
  readonly recursive?: boolean;
}

export async function runGet(session: Session, [text = '']: string[], flags: GetFlags): Promise<undefined> {
  if (flags.recursive) {
    if (flags.range !== undefined) throw usageError('a folder has no byte range: leave out --range or -r', help);
    await getFolder(session, text, flags.output);
    return undefined;
  }
  const source = parseSource(session, text);
  const destination = flags.output ?? '-';
  const range = flags.range === undefined ? undefined : parseByteRange(flags.range);
  if (destination === '-') await toStdout(session, source, range, flags.output === '-');
  else await toFile(session, source, destination, range);
  return undefined;
}

const help = 'ron get --help';

type Span = ReturnType<typeof parseByteRange> | undefined;

async function toStdout(session: Session, source: Source, range: Span, forced: boolean): Promise<void> {
  const { output, signal } = session;
  using progress = session.progress('get');
  const toTerminal = output.stdout.isTTY === true && !forced;
  const reply = await source.read({
    ...(range === undefined ? {} : { range }),
    ...(toTerminal ? {} : { onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes) }),
  });
  const stream = toTerminal ? textOnly(reply.stream, source) : reply.stream;
  const bytes = await pipeTo(output.stdout, stream, signal);
  // Standard output belongs to the bytes.
  if (output.json) output.stderr.write(`${JSON.stringify({ address: reply.address, size: reply.size, bytes })}\n`);
}

/** A terminal shows text; anything else could make a mess of it. */
async function* textOnly(stream: ByteStream, { text }: Source): AsyncGenerator<Uint8Array> {
  let first = true;
  for await (const piece of stream) {
    if (first && !isTextual(piece)) {
      throw usageError(
        `${text} is not text, and stdout is a terminal`,
        `ron get ${text} -o FILE   (or -o - to insist)`,
      );
    }
    first = false;
    yield piece;
  }
}

async function toFile(session: Session, source: Source, destination: string, range: Span): Promise<void> {
  const { output } = session;
  const found = await statIfThere(destination);
  if (found?.isDirectory()) throw usageError(`${destination} is a folder: name the file to write`, help);
  const device = found !== undefined && !found.isFile();
  if (range !== undefined || device) {
    const reply = await source.read(range === undefined ? {} : { range });
    const bytes = await writeOnce(reply, destination, device);
    say(session, { address: reply.address, size: reply.size, bytes, file: destination });
    return;
  }
  const { downloadTo } = await import('../files/download.ts');
  const done = await downloadTo(session, source, destination);
  if (done.resumedBytes > 0) output.note(`continued after ${formatBytes(done.resumedBytes)}`);
  const { address, size, resumedBytes, version } = done;
  say(session, { address, size, bytes: size, resumed_bytes: resumedBytes, file: destination, version });
}

interface Saved {
  readonly address: string;
  readonly size: number;
  readonly bytes: number;
  readonly file: string;
  readonly resumed_bytes?: number;
  readonly version?: number | undefined;
}

function say({ output }: Session, saved: Saved): void {
  if (output.json) output.result(saved, () => '');
  else output.note(`${saved.file}: ${formatBytes(saved.bytes)}, verified`);
}

async function getFolder(session: Session, text: string, flag: string | undefined): Promise<void> {
  if (flag === '-') throw usageError('a folder cannot go to stdout: give a folder with -o', help);
  const base = text.replace(/\/+$/, '').split('/').at(-1) ?? '';
  const destination = flag ?? (isAddress(base) ? base.slice(0, 19).replace(':', '-') : base);
  if (destination === '') throw usageError('give a folder to write with -o', help);
  const found = await statIfThere(destination);
  if (found !== undefined && !found.isDirectory()) {
    throw new CliError(exitCodes.conflict, `${destination} is there already and is not a folder`, {
      why: 'EEXIST on this machine',
      next: `ron get -r ${text} -o …`,
    });
  }
  const { openFolder } = await import('../remote/bundle.ts');
  const { saveFolder } = await import('../files/save-folder.ts');
  const folder = await openFolder(session, text);
  const saved = await saveFolder(session, folder, destination);
  const { files, bytes, unchanged } = saved;
  if (session.output.json) session.output.result({ folder: destination, files, bytes, unchanged }, () => '');
  else {
    const kept = unchanged === 0 ? '' : `, ${unchanged} of them were there already`;
    session.output.note(`${destination}/: ${formatCount(files, 'file')}, ${formatBytes(bytes)}, verified${kept}`);
  }
}

async function writeOnce(reply: BlobReply, destination: string, device: boolean): Promise<number> {
  const { writeThrough, writeWhole } = await import('../files/whole-file.ts');
  if (device) return writeThrough(reply.stream, destination);
  const { partPath } = await import('../files/part-file.ts');
  const temporary = partPath(destination, reply.address).replace(/part$/, `${reply.start}-${reply.end}`);
  return writeWhole(reply.stream, temporary, destination);
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
