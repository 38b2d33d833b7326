import type { CopyHolder, PinnedObject } from '@ron/app-sdk';
import { isAddress } from '@ron/naming';
import { usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../output/format.ts';
import { printRows } from '../output/streamed-table.ts';
import { orAlone } from '../remote/network.ts';
import type { Session } from '../session.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

const copiesMax = 16;

export function parseCopies(text: string): number {
  return parseWholeNumber(text, 'number of copies', 1, copiesMax);
}

/** As `ron peers` shows it. */
export function shortNode({ node }: CopyHolder): string {
  return node.slice(0, 12);
}

export async function runPin(session: Session, [source = '']: string[], flags: { readonly copies: string }) {
  const copies = parseCopies(flags.copies);
  if (source === 'ls') return list(session);
  const { client, output, signal } = session;
  const address = await addressOf(session, source);
  const pinned = await orAlone(client.pins.pin(address, copies, { signal }));
  output.result(pinned, () => `${address} is on ${formatCount(countOf(pinned), 'node')}: ${nodesOf(pinned)}`);
  return undefined;
}

export async function runUnpin(session: Session, [source = '']: string[]) {
  const { client, output, signal } = session;
  const address = await addressOf(session, source);
  const unpinned = await orAlone(client.pins.unpin(address, { signal }));
  const text = `${address} ${unpinned ? 'is not pinned any more' : 'was not pinned'}`;
  output.result({ address, unpinned }, () => text);
  return undefined;
}

/** Exit code 6 while something is missing that could not be made. */
export async function runRepair({ client, output, signal }: Session, _args: string[], flags: { dryRun?: boolean }) {
  const report = await orAlone(client.pins.repair({ signal, dryRun: flags.dryRun === true }));
  const { objects, lacking, restored, copied_bytes: bytes } = report;
  const did = flags.dryRun === true ? '' : `; ${restored} of them have all again, ${formatBytes(bytes)} copied`;
  output.result(report, () => `${formatCount(objects, 'object')} in copies, ${lacking} lacking some${did}`);
  for (const pinned of report.sample)
    output.note(`${pinned.address} is on ${countOf(pinned)} of ${pinned.copies} nodes`);
  if (flags.dryRun === true || restored === lacking) return undefined;
  output.note('the node goes on trying; ron peers shows who is there');
  return exitCodes.unavailable;
}

async function list(session: Session): Promise<undefined> {
  const { client, signal, output } = session;
  await printRows(output, columns, pinned(client.pins.list({ signal })), (object) => ({
    cells: [object.address, formatBytes(object.size), `${countOf(object)} of ${object.copies}`, nodesOf(object)],
    json: object,
  }));
  return undefined;
}

async function* pinned(objects: AsyncIterable<PinnedObject>): AsyncGenerator<PinnedObject> {
  const steps = objects[Symbol.asyncIterator]();
  for (let step = await orAlone(steps.next()); step.done !== true; step = await orAlone(steps.next())) yield step.value;
}

const columns = ['address', 'size', 'copies', 'nodes'].map((title) => ({
  title,
  align: title === 'size' ? ('right' as const) : ('left' as const),
}));

function countOf({ holders }: PinnedObject): number {
  return holders.filter(({ state }) => state !== 'dead').length;
}

function nodesOf({ holders }: PinnedObject): string {
  return holders.map((holder) => shortNode(holder) + (holder.state === 'alive' ? '' : ` (${holder.state})`)).join(' ');
}

async function addressOf({ client, signal }: Session, source: string): Promise<string> {
  if (isAddress(source)) return source;
  if (source === '' || source.startsWith('b3:')) throw usageError(`"${source}" is no address`, 'ron pin --help');
  return (await client.names.resolve(source, { signal })).address;
}
