import type { Env, Log, Metrics } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { overlayContract } from '@ron/proto/overlay';
import {
  type CallNode,
  contactOfName,
  createNodePeers,
  nameOf,
  type ProviderQuality,
  RemoteObjects,
} from '@ron/svc-overlay/service';
import type { NodeLinks } from '@ron/transport';
import type { Holders } from './holders.ts';

/** Until an answer begins; its bytes are judged by their progress. */
const answerMs = 10_000;

export interface RemoteParts {
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly links: NodeLinks;
  readonly holders: Holders;
  readonly isTrusted: (id: NodeId) => boolean;
  readonly isBanned: (id: NodeId) => boolean;
  readonly quality: () => ProviderQuality | undefined;
  /** Its bytes did not verify. */
  readonly onLiar: (id: NodeId) => void;
}

/** Objects of other nodes over the links of this one; what each node was like is remembered. */
export function openRemote(parts: RemoteParts): RemoteObjects {
  const { env, log, metrics, links, holders, isTrusted, isBanned, quality, onLiar } = parts;
  const runs = metrics.counter('exchange_runs_total', 'Runs of groups that were asked of other nodes', ['outcome']);
  const bytesIn = metrics.counter('exchange_bytes_total', 'Verified bytes that other nodes sent').labels();
  const call: CallNode = async (to, operation, input, signal) => {
    if (isBanned(to.id)) throw new RonError('forbidden', 'the node is banned here');
    return await links.call(overlayContract, to, operation, input, { timeoutMs: answerMs, signal });
  };
  const names = (nodes: readonly Contact[]) => nodes.map(nameOf);
  return new RemoteObjects({
    clock: env.clock,
    peers: createNodePeers({ call, clock: env.clock, random: env.random, isTrusted: ({ id }) => isTrusted(id) }),
    near: () => names(holders.near()),
    find: async (address) => {
      const near = new Map(holders.near().map((contact) => [contact.id, contact]));
      // Under one name each, whatever address it told whom.
      return names((await holders.find(address)).map((contact) => near.get(contact.id) ?? contact));
    },
    onLiar: (node, evidence) => {
      const { id } = contactOfName(node);
      log.warn({ node: id, ...evidence }, 'a node sent bytes that do not belong to their address');
      onLiar(id);
    },
    onRun: (node, bytes, durationMs) => {
      const { id } = contactOfName(node);
      runs.labels({ outcome: bytes > 0 ? 'ok' : 'failed' }).inc();
      bytesIn.inc(bytes);
      if (bytes > 0) quality()?.succeeded(id, bytes, durationMs);
      else quality()?.failed(id);
    },
  });
}
