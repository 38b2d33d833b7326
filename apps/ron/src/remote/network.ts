import type { ServiceTable } from '@ron/app-sdk';
import { overlayService } from '@ron/app-sdk/services';
import type { Peer } from '@ron/proto/contract';
import type { dhtContract } from '@ron/proto/dht';
import type { indexContract } from '@ron/proto/names';
import type { overlayContract } from '@ron/proto/overlay';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { hasCode } from '../refusal.ts';
import type { Session } from '../session.ts';

export type PeersPage = Awaited<ReturnType<Peer<typeof overlayContract>['peers']>>;
export type ProbeAnswer = Awaited<ReturnType<Peer<typeof overlayContract>['probe']>>;
export type SearchTrace = Awaited<ReturnType<Peer<typeof dhtContract>['trace']>>;
export type NameTrace = Awaited<ReturnType<Peer<typeof indexContract>['trace']>>;

export async function* peerPages(session: Session): AsyncGenerator<PeersPage> {
  let cursor: string | undefined;
  do {
    const input = cursor === undefined ? {} : { cursor };
    const page = (await askNetwork(session, overlayService, 'peers', input)) as PeersPage;
    yield page;
    cursor = page.next;
  } while (cursor !== undefined);
}

/** Rejects with the way out when the node has no network: it then knows no such route. */
export function askNetwork<Table extends ServiceTable>(
  { client, signal }: Session,
  table: Table,
  operation: keyof Table['routes'] & string,
  input: Readonly<Record<string, unknown>>,
): Promise<object> {
  const mutation = table.routes[operation]?.method !== 'GET';
  return orAlone(client.call(table, operation, input, { signal, mutation }));
}

export async function orAlone<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (thrown) {
    throw explained(thrown);
  }
}

/** The way out, where a node that is alone refused. */
export function explained(thrown: unknown): unknown {
  if (!hasCode(thrown, 'not_found')) return thrown;
  const { details } = thrown as { details?: Readonly<Record<string, unknown>> };
  return details?.['reason'] === 'no_such_route' ? alone(thrown) : thrown;
}

/** The one id that begins so. A whole id need not be known: who is to stay away may not have come yet. */
export async function fullNodeId(session: Session, text: string): Promise<string> {
  const bad = (what: string) => usageError(`"${text}" ${what}`, 'ron peers');
  if (!/^[0-9a-f]{12,64}$/.test(text)) throw bad('is not a node id: 64 hex digits, or the first 12 or more of them');
  if (text.length === 64) return text;
  const found = new Set<string>();
  for await (const { peers, bans } of peerPages(session)) {
    for (const { id } of [...peers, ...bans]) if (id.startsWith(text)) found.add(id);
  }
  const [id, ...others] = found;
  if (id === undefined) throw bad('begins no id that this node knows');
  if (others.length > 0) throw bad('begins more than one id: write more digits');
  return id;
}

function alone(cause: unknown): CliError {
  return new CliError(exitCodes.notFound, 'the node is alone: it joins no others', {
    why: 'its network.listen is empty',
    next: 'npm start -- --network 127.0.0.1:9610   (and network.seeds: the contacts that others print)',
    cause,
  });
}
