import type { ServiceTable } from '@ron/app-sdk';
import type { Peer } from '@ron/proto/contract';
import type { overlayContract } from '@ron/proto/overlay';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { hasCode } from '../refusal.ts';
import type { Session } from '../session.ts';

export type PeersPage = Awaited<ReturnType<Peer<typeof overlayContract>['peers']>>;

/** What an operator asks a node about the others, as plain data: the contract would bring its schemas along. */
export const overlayService = {
  app: 0x0101,
  routes: {
    peers: { method: 'GET', path: '/overlay/peers', query: ['state', 'limit', 'cursor'], reply: 'json' },
    ban: { method: 'POST', path: '/overlay/bans', json: true, reply: 'json' },
    unban: { method: 'DELETE', path: '/overlay/bans/:id', reply: 'json' },
  },
} as const satisfies ServiceTable;

export async function* peerPages(session: Session): AsyncGenerator<PeersPage> {
  let cursor: string | undefined;
  do {
    const page = (await askOverlay(session, 'peers', cursor === undefined ? {} : { cursor })) as PeersPage;
    yield page;
    cursor = page.next;
  } while (cursor !== undefined);
}

/** Rejects with the way out when the node has no network: it then knows no such route. */
export async function askOverlay(
  { client, signal }: Session,
  operation: keyof typeof overlayService.routes,
  input: Readonly<Record<string, unknown>>,
): Promise<object> {
  try {
    return await client.call(overlayService, operation, input, { signal, mutation: operation !== 'peers' });
  } catch (thrown) {
    if (hasCode(thrown, 'not_found') && /no such route/.test((thrown as Error).message)) throw alone(thrown);
    throw thrown;
  }
}

function alone(cause: unknown): CliError {
  return new CliError(exitCodes.notFound, 'the node is alone: it joins no others', {
    why: 'its network.listen is empty',
    next: 'npm start -- --network 127.0.0.1:9610   (and network.seeds: the contacts that others print)',
    cause,
  });
}
