import { overlayService } from '@ron/app-sdk/services';
import { usageError } from '../cli-error.ts';
import { formatDuration, formatTime } from '../output/format.ts';
import { printable } from '../output/printable.ts';
import { printRows } from '../output/streamed-table.ts';
import { askNetwork, fullNodeId, type PeersPage, peerPages } from '../remote/network.ts';
import type { Session } from '../session.ts';
import { parseDurationMs } from '../values/duration.ts';

/** Hex digits of an id in the table; `ban` and `unban` take no fewer. */
const shortDigits = 12;

type Ban = PeersPage['bans'][number];
/** Of who is banned without being a member, nothing else is known. */
type Row = Partial<PeersPage['peers'][number]> & { readonly id: string; readonly ban?: Ban };

interface Flags {
  readonly for?: string;
}

export async function runPeers(session: Session, [action = 'ls', id]: string[], flags: Flags) {
  if ((action === 'ls') !== (id === undefined)) {
    throw usageError('write one of: ron peers, ron peers ban ID, ron peers unban ID', 'ron peers --help');
  }
  if (flags.for !== undefined && action !== 'ban') throw usageError('--for goes with ban', 'ron peers --help');
  if (id === undefined) await list(session);
  else if (action === 'ban') await ban(session, id, flags);
  else await unban(session, id);
  return undefined;
}

async function list(session: Session): Promise<void> {
  await printRows(session.output, columns, rows(session), (row) => ({ cells: cellsOf(row), json: row }));
}

/** The members by id, then who is banned and no member. */
async function* rows(session: Session): AsyncGenerator<Row> {
  const bans = new Map<string, Ban>();
  for await (const { peers, bans: banned } of peerPages(session)) {
    // Only the first page has them.
    for (const ban of banned) bans.set(ban.id, ban);
    for (const peer of peers) {
      const ban = bans.get(peer.id);
      bans.delete(peer.id);
      yield ban === undefined ? peer : { ...peer, ban };
    }
  }
  for (const ban of bans.values()) yield { id: ban.id, ban };
}

const columns = ['id', 'state', 'address', 'region', 'rtt', 'banned'].map((title) => ({
  title,
  align: title === 'rtt' ? ('right' as const) : ('left' as const),
}));

function cellsOf({ id, state, addresses = [], region = '', rtt_ms, ban }: Row): string[] {
  const rtt = rtt_ms === undefined ? '' : rtt_ms < 10 ? `${rtt_ms.toFixed(1)} ms` : formatDuration(rtt_ms);
  const banned = ban === undefined ? '' : `${ban.reason}, until ${formatTime(ban.until)}`;
  return [id.slice(0, shortDigits), state ?? '–', printable(addresses[0] ?? ''), region, rtt, banned];
}

async function ban(session: Session, text: string, flags: Flags): Promise<void> {
  const duration = flags.for === undefined ? {} : { duration_ms: parseDurationMs(flags.for) };
  const input = { id: await fullNodeId(session, text), ...duration };
  const answer = (await askNetwork(session, overlayService, 'ban', input)) as Ban;
  session.output.result(answer, () => `${answer.id} is banned until ${formatTime(answer.until)}`);
}

async function unban(session: Session, text: string): Promise<void> {
  const input = { id: await fullNodeId(session, text) };
  const answer = await askNetwork(session, overlayService, 'unban', input);
  session.output.result(answer, () => `${input.id} is not banned any more`);
}
