import { createReadStream } from 'node:fs';
import type { MessageBody } from '@ron/app-sdk';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatBytes } from '../output/format.ts';
import type { Session } from '../session.ts';
import { parseDelayMs, parseDurationMs } from '../values/duration.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

/** Bytes of an inline body; the contract's limit. */
const bodyBytesMax = 262_144;
const help = 'ron mailbox send --help';

export interface SendFlags {
  readonly file?: string;
  readonly address?: string;
  readonly key?: string;
  readonly header?: readonly string[];
  readonly delay?: string;
  readonly ttl?: string;
  readonly deadLetterOnExpiry?: boolean;
  readonly group?: string;
  readonly priority?: string;
}

export async function runSend(session: Session, [box = '', text]: string[], flags: SendFlags): Promise<undefined> {
  const { client, output, signal } = session;
  const options = {
    ...(flags.key === undefined ? {} : { idempotencyKey: flags.key }),
    ...(flags.header === undefined ? {} : { headers: parseHeaders(flags.header) }),
    ...(flags.delay === undefined ? {} : { delayMs: parseDelayMs(flags.delay) }),
    ...(flags.ttl === undefined ? {} : { ttlMs: parseDurationMs(flags.ttl) }),
    ...(flags.deadLetterOnExpiry ? { deadLetterOnExpiry: true } : {}),
    ...(flags.group === undefined ? {} : { group: flags.group }),
    ...(flags.priority === undefined ? {} : { priority: parseWholeNumber(flags.priority, 'priority', 0, 9) }),
  };
  const body = await bodyOf(session, text, flags);
  const sent = await client.mailbox(box).send(body, { ...options, signal });
  output.note(sent.duplicate ? 'sent before with this key, nothing was added' : `sent${keptText(sent.durability)}`);
  output.result(sent, () => sent.id);
  return undefined;
}

function keptText(durability: 'memory' | 'fsync'): string {
  return durability === 'fsync' ? ', on disk' : ', in memory';
}

async function bodyOf(session: Session, text: string | undefined, flags: SendFlags): Promise<MessageBody> {
  const given = [text, flags.file, flags.address].filter((source) => source !== undefined);
  if (given.length !== 1) throw usageError('say what to send: a text, - for stdin, --file or --address', help);
  if (flags.address !== undefined) return { address: flags.address };
  if (flags.file !== undefined) return readable(await bounded(createReadStream(flags.file), flags.file));
  if (text !== '-') return text!;
  return readable(await bounded(session.input as AsyncIterable<Uint8Array>, 'stdin'));
}

/** More than a message holds is not read to its end. */
async function bounded(source: AsyncIterable<Uint8Array>, what: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.byteLength;
    if (bytes > bodyBytesMax) {
      throw new CliError(exitCodes.limit, `${what} is larger than ${formatBytes(bodyBytesMax)}, what a message holds`, {
        why: 'payload_too_large',
        next: 'ron put FILE, then ron mailbox send BOX --address b3:…',
      });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Text where it is text, so that it is also text for the receiver. */
function readable(bytes: Uint8Array): string | Uint8Array {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return bytes;
    throw error;
  }
}

function parseHeaders(texts: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(0, at));
    if (!/^[a-z0-9_.-]{1,64}$/.test(name)) {
      throw usageError(`"${text}" is not a header: write name=value, the name of a-z, 0-9, _ . -`, help);
    }
    if (Object.hasOwn(headers, name)) throw usageError(`the header ${name} is given twice`, help);
    headers[name] = text.slice(at + 1);
  }
  return headers;
}
