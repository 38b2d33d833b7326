import type { Metrics } from '@ron/kernel';
import type { Contact } from '@ron/proto/network';
import { overlayContract } from '@ron/proto/overlay';
import { storageContract } from '@ron/proto/storage';
import { defineService, nodeOf, type Ports } from '@ron/service';
import { loadAnswerCheck } from './asker.ts';
import { OverlayConfig, serveLimitsOf } from './config.ts';
import { copiesOf } from './exchange/copies/copies-of.ts';
import type { CopyEngines } from './exchange/copies/copy-ports.ts';
import { createExchangeHandlers } from './exchange/exchange-handlers.ts';
import type { MaySend } from './exchange/serve-ports.ts';
import { createStoredBlobs } from './exchange/stored-blobs.ts';
import { createBan } from './handlers/ban.ts';
import { createExchange } from './handlers/exchange.ts';
import { createGossip } from './handlers/gossip.ts';
import { createHello } from './handlers/hello.ts';
import { createPeers } from './handlers/peers.ts';
import { createPin } from './handlers/pin.ts';
import { createPing } from './handlers/ping.ts';
import { createPingReq } from './handlers/ping-req.ts';
import { createPins } from './handlers/pins.ts';
import { createProbe } from './handlers/probe.ts';
import { createRepair } from './handlers/repair.ts';
import { createSync } from './handlers/sync.ts';
import { createUnban } from './handlers/unban.ts';
import { createUnpin } from './handlers/unpin.ts';
import { createMeters } from './meters.ts';
import { Overlay, type OverlayApi } from './overlay.ts';
import type { PeerStore } from './peers/peer-store.ts';
import type { OverlayPorts } from './ports.ts';
import type { SelfDescription } from './records.ts';

export { type AnswerCheck, loadAnswerCheck } from './asker.ts';
export { OverlayConfig } from './config.ts';
export type { CopyEngines, CopyShelf } from './exchange/copies/copy-ports.ts';
export type { Transfer } from './exchange/fetch/fetch-object.ts';
export type { PositionalSink } from './exchange/fetch/fetch-ports.ts';
export { choosePlaces, type PlacementPeer } from './exchange/placement/choose.ts';
export { Repair } from './exchange/placement/repair.ts';
export { repairLimitsDefault } from './exchange/placement/repair-limits.ts';
export { type Keeper, Placements } from './exchange/placements.ts';
export { type CallNode, contactOfName, createNodePeers, nameOf } from './exchange/remote/exchange-peers.ts';
export { RemoteObjects, type RemoteObjectsPorts } from './exchange/remote/remote-objects.ts';
export type { MaySend } from './exchange/serve-ports.ts';
export type { Delivered } from './gossip/gossip.ts';
export type { Member } from './membership/member.ts';
export { type Meters as OverlayMeters, silentMeters } from './meters.ts';
export { type NodeHandlers, Overlay, type OverlayApi, type OverlayOptions } from './overlay.ts';
export { createDiskPeerStore, createRamPeerStore, type PeerStore } from './peers/peer-store.ts';
export { ProviderQuality, type Quality } from './peers/provider-quality.ts';
export type { ChannelProof, ChannelRole, Channels, OverlayPorts } from './ports.ts';
export type { SelfDescription } from './records.ts';

/** Chosen by the profile. */
export interface OverlayEngines extends Pick<OverlayPorts, 'ask' | 'channels' | 'signer' | 'verify'> {
  readonly about: SelfDescription;
  readonly seeds: readonly Contact[];
  readonly topics: readonly string[];
  readonly store: PeerStore;
  /** Which objects other nodes may have from here. */
  readonly maySend: MaySend;
  readonly copies: CopyEngines;
  /** Given what the other parts of the process use, before the first answer. */
  readonly attach?: (overlay: OverlayApi) => void;
}

const uses = { storage: storageContract };

type OverlayServicePorts = Ports<OverlayConfig, typeof uses, OverlayEngines>;

/** Sessions, membership, gossip and the exchange of objects between nodes: contract in @ron/proto/overlay, configuration table `overlay`. */
export const overlay = defineService({
  contract: overlayContract,
  config: OverlayConfig,
  uses,
  async start({ config, peers, engines, env, log, metrics }: OverlayServicePorts) {
    const { about, seeds, topics, store, attach, maySend, copies: copyEngines, ...network } = engines;
    const { clock, random, work } = env;
    const isAnswer = await loadAnswerCheck();
    const node = new Overlay(
      {
        clock,
        random,
        blake3: (bytes) => work.blake3(bytes),
        config: () => config.current(),
        meters: createMeters(metrics),
        log,
        ...network,
      },
      { about, seeds, topics, store, isAnswer },
    );
    const { pins, placements, ...copies } = copiesOf(node, copyEngines, {
      about,
      ask: network.ask,
      storage: peers.storage,
      config: () => config.current(),
      clock,
      random,
      log,
      metrics,
    });
    const exchange = createExchangeHandlers({
      self: network.signer.id,
      clock,
      blobs: createStoredBlobs(peers.storage),
      maySend,
      placements,
      limits: () => serveLimitsOf(config.current()),
    });
    const measuring = measure(metrics, node);
    attach?.(node);
    await node.start();
    copies.start();
    return {
      handlers: {
        hello: createHello(node),
        ping: createPing(node),
        ping_req: createPingReq(node),
        sync: createSync(node),
        exchange: createExchange(node),
        gossip: createGossip(node),
        have: (input, { context }) => exchange.have(input, nodeOf(context), context),
        want: (input, { context }) => exchange.want(input, nodeOf(context), context),
        outboard: (input, { context }) => exchange.outboard(input, nodeOf(context), context),
        challenge: (input, { context }) => exchange.challenge(input, nodeOf(context), context),
        place: (input, { context }) => exchange.place(input, nodeOf(context)),
        release: (input, { context }) => exchange.release(input, nodeOf(context)),
        pin: createPin(pins),
        unpin: createUnpin(pins),
        pins: createPins(pins),
        repair: createRepair(pins),
        peers: createPeers(node, () => clock.monotonicMs()),
        probe: createProbe(node, clock),
        ban: createBan(node),
        unban: createUnban(node),
      },
      gates: () => [
        node.hasJoined
          ? { gate: 'joined', ok: true }
          : { gate: 'joined', ok: false, reason: 'no seed and no stored peer was reached yet' },
      ],
      async [Symbol.asyncDispose]() {
        measuring[Symbol.dispose]();
        copies[Symbol.dispose]();
        await node[Symbol.asyncDispose]();
      },
    };
  },
});

function measure(metrics: Metrics, { membership, gossip, bans, book }: Overlay): Disposable {
  const members = metrics.gauge('overlay_members', 'Members by state', ['state']);
  const sizes = metrics.gauge('overlay_entries', 'What is kept in memory', ['of']);
  return metrics.onCollect(() => {
    for (const [state, count] of Object.entries(membership.table.counts)) members.labels({ state }).set(count);
    const { seen, waiting } = gossip.sizes;
    const kept = { news: membership.newsSize, seen, waiting, offenders: bans.size, contacts: book.size };
    for (const [of, count] of Object.entries(kept)) sizes.labels({ of }).set(count);
  });
}
