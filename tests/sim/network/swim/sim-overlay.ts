import { SimClock, type SimRandom } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { overlayContract } from '@ron/proto/overlay';
import {
  type AnswerCheck,
  type NodeHandlers,
  Overlay,
  type OverlayConfig,
  type OverlayMeters,
  silentMeters,
} from '@ron/svc-overlay/service';
import type { NodeSigner } from '@ron/transport';
import type { Endpoint, Serve } from '../message-net.ts';
import type { SimulatedNetwork } from '../scenario.ts';
import { verifyCheap } from './cheap-keys.ts';

const silent = () => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent, child: () => log };
export const epochMs = Date.UTC(2026, 0, 1);

export interface SimOverlayParts {
  readonly network: SimulatedNetwork;
  readonly random: SimRandom;
  readonly contact: Contact;
  readonly signer: NodeSigner;
  readonly endpoint: Endpoint;
  readonly config: () => OverlayConfig;
  readonly isAnswer: AnswerCheck;
  readonly blake3: (bytes: Uint8Array) => Uint8Array;
  readonly seeds: readonly Contact[];
  readonly topics: readonly string[];
  readonly meters?: Partial<OverlayMeters>;
}

/** The production overlay at one end of a simulated network, with cheap keys. */
export function createSimOverlay(parts: SimOverlayParts): { readonly overlay: Overlay; readonly clock: SimClock } {
  const { network, contact, signer } = parts;
  const clock = new SimClock(network.scheduler, contact.address, epochMs);
  const channelWith = (peer: NodeId, role: 'initiator' | 'responder') => ({
    peer,
    role,
    binding: bindingOf(peer, signer.id),
  });
  const overlay = new Overlay(
    {
      clock,
      random: parts.random,
      blake3: parts.blake3,
      ask: parts.endpoint.ask(overlayContract),
      channels: {
        dial: async ({ id }) => channelWith(id, 'initiator'),
        accepted: (peer) => channelWith(peer, 'responder'),
      },
      signer,
      verify: verifyCheap,
      config: parts.config,
      meters: { ...silentMeters, ...parts.meters },
      log,
    },
    {
      about: { addresses: [contact.address], region: contact.region ?? '', version: '0.1.0' },
      seeds: parts.seeds,
      topics: parts.topics,
      isAnswer: parts.isAnswer,
    },
  );
  return { overlay, clock };
}

/** What other nodes ask of an overlay that is made after its endpoint. */
export function serveOverlay(handlers: () => NodeHandlers | undefined): Serve {
  return (operation, input, from) => {
    const answer = handlers()?.[operation as keyof NodeHandlers];
    if (answer === undefined) return Promise.reject(new RonError('bad_request', 'no such operation'));
    return answer(input as never, from);
  };
}

/** The same at both ends. */
function bindingOf(one: NodeId, other: NodeId): Uint8Array {
  return new TextEncoder().encode([one, other].sort().join(' ')).subarray(0, 64);
}
