import { readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { outboardSize } from '@ron/b3';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { hasCode } from '../refusal.ts';
import type { Source, SourceReply } from '../remote/source.ts';
import type { Session } from '../session.ts';
import { PartFile } from './part-file.ts';

/** An interrupted download below this is not worth a file that somebody has to notice. */
const keptBytesMin = 8 * 1_024 * 1_024;

export interface Download {
  readonly address: string;
  readonly size: number;
  /** Bytes that were here from an earlier try. */
  readonly resumedBytes: number;
  readonly version?: number;
}

/** Reads a source into a file: it appears whole under its name, or not at all. */
export async function downloadTo(session: Session, source: Source, destination: string): Promise<Download> {
  using progress = session.progress('get');
  let before = 0;
  const onProgress = (seen: { doneBytes: number; totalBytes: number | undefined }) =>
    progress.update(before + seen.doneBytes, seen.totalBytes === undefined ? undefined : before + seen.totalBytes);
  const known = (await hasLeftover(destination)) ? await look(source) : undefined;
  const whole = known === undefined ? await source.read({ onProgress }) : undefined;
  const { address, size, version } = known ?? whole!;
  await using part = await PartFile.open(destination, address);
  try {
    if (known !== undefined) await prove(session, part, known);
    before = part.provenBytes;
    if (whole !== undefined) {
      await part.startOver();
      await part.append(whole.stream);
    } else if (before < size || size === 0) {
      const rest = await source.read({ onProgress, ...(before === 0 ? {} : { range: { start: before } }) });
      if (rest.address !== address) throw changed(session, source);
      await part.append(rest.stream);
    }
  } catch (thrown) {
    await settle(session, part, size);
    throw thrown;
  }
  await part.finish();
  return { address, size, resumedBytes: before, ...(version === undefined ? {} : { version }) };
}

async function hasLeftover(destination: string): Promise<boolean> {
  const start = `${basename(destination)}.`;
  const names = await readdir(dirname(destination) || '.');
  return names.some((name) => name.startsWith(start) && name.endsWith('.part'));
}

interface Known {
  readonly address: string;
  readonly size: number;
  readonly version?: number;
}

/** What the source is, without its bytes. */
async function look(source: Source): Promise<Known | undefined> {
  try {
    const reply: SourceReply = await source.read({ range: { start: 0, end: 1 } });
    await reply.bytes();
    const { address, size, version } = reply;
    return { address, size, ...(version === undefined ? {} : { version }) };
  } catch (thrown) {
    // Nothing can be asked of an empty object; it needs no resuming either.
    if (hasCode(thrown, 'range_not_satisfiable')) return undefined;
    throw thrown;
  }
}

/** Keeps what the tree proves. A capability for a name alone cannot read the tree: then it starts over. */
async function prove(session: Session, part: PartFile, { address, size }: Known): Promise<void> {
  const leftover = await part.leftoverBytes();
  if (leftover === 0) return;
  const outboard = await readOutboard(session, address, size);
  if (outboard === undefined) await part.startOver();
  else await part.keepProven(address, outboard, session.signal);
  session.output.note(`${part.path}: ${part.provenBytes} of ${leftover} bytes are right and kept`);
}

async function readOutboard(session: Session, address: string, size: number): Promise<Uint8Array | undefined> {
  const wanted = outboardSize(size);
  const { transport, signal } = session;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    const reply = await transport.call({ operation: 'outboard', input: { address }, corrId: corrId(), signal });
    for await (const piece of reply.body ?? []) {
      pieces.push(piece);
      bytes += piece.byteLength;
      if (bytes > wanted) return undefined;
    }
  } catch (thrown) {
    if (hasCode(thrown, 'forbidden')) return undefined;
    throw thrown;
  }
  return bytes === wanted ? Buffer.concat(pieces, bytes) : undefined;
}

function corrId(): string {
  return crypto.randomUUID().replaceAll('-', '');
}

/** After a failure: a large proven part stays for the next try, a small one goes. */
async function settle(session: Session, part: PartFile, size: number): Promise<void> {
  if (part.provenBytes < keptBytesMin) {
    await part.startOver();
    return;
  }
  session.output.note(`${part.path}: ${part.provenBytes} of ${size} bytes kept; the same command continues there`);
}

function changed(session: Session, source: Source): CliError {
  return new CliError(exitCodes.conflict, `${source.text} was changed while it was read`, {
    why: 'conflict: the name points at other content now',
    next: `${session.command} ${source.text}`,
  });
}
