import { overlayService } from '@ron/app-sdk/services';
import type { Peer } from '@ron/proto/contract';
import type { overlayContract } from '@ron/proto/overlay';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { hasCode } from '../refusal.ts';
import type { Session } from '../session.ts';

export type PeersPage = Awaited<ReturnType<Peer<typeof overlayContract>['peers']>>;

export async function* peerPages(session: Session): AsyncGenerator<PeersPage> {
  let cursor: string | undefined;
  do {
    const page = (await askOverlay(session, 'peers', cursor === undefined ? {} : { cursor })) as PeersPage;
    yield page;
    cursor = page.next;
  } while (cursor !== undefined);
}

/** Rejects with the way out when the node has no network: it then knows no such route. */
export function askOverlay(
  { client, signal }: Session,
  operation: 'peers' | 'ban' | 'unban',
  input: Readonly<Record<string, unknown>>,
): Promise<object> {
  return orAlone(client.call(overlayService, operation, input, { signal, mutation: operation !== 'peers' }));
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
  return hasCode(thrown, 'not_found') && /no such route/.test((thrown as Error).message) ? alone(thrown) : thrown;
}

function alone(cause: unknown): CliError {
  return new CliError(exitCodes.notFound, 'the node is alone: it joins no others', {
    why: 'its network.listen is empty',
    next: 'npm start -- --network 127.0.0.1:9610   (and network.seeds: the contacts that others print)',
    cause,
  });
}
