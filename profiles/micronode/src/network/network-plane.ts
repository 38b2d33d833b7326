import { servicePrincipal } from '@ron/auth';
import { openTable } from '@ron/journal';
import { type Config, type Env, type Listener, type Log, type Metrics, parseNetAddress } from '@ron/kernel';
import { type Kms, verifyRaw } from '@ron/kms';
import type { Peer, Principal } from '@ron/proto/contract';
import { dhtContract } from '@ron/proto/dht';
import { indexContract } from '@ron/proto/names';
import type { Contact, NodeId } from '@ron/proto/network';
import { contactOf, overlayContract } from '@ron/proto/overlay';
import {
  type Authenticator,
  bindLocal,
  bindOapServer,
  type HostedService,
  nodePrincipal,
  type PolicyStage,
  rightsFor,
  type Service,
} from '@ron/service';
import { type DhtEngines, dht, rememberedMax } from '@ron/svc-dht/service';
import type { EdgeFarOptions } from '@ron/svc-edge/service';
import type { NamesElsewhere } from '@ron/svc-index/service';
import {
  createDiskPeerStore,
  createRamPeerStore,
  nameOf,
  type OverlayApi,
  type OverlayEngines,
  overlay,
} from '@ron/svc-overlay/service';
import type { BlobEngine, Presence } from '@ron/svc-storage/service';
import { createNodeLinks, createNodeTransport, openNodeIdentity } from '@ron/transport';
import type { MicronodeTables } from '../config.ts';
import { version } from '../version.ts';
import { Announcer } from './announcer.ts';
import { OpenChannels } from './channels.ts';
import { FarNames } from './far-names.ts';
import { Holders } from './holders.ts';
import { lateDispatcher } from './late-dispatcher.ts';
import { maySend } from './may-send.ts';
import { Mender } from './mender.ts';
import { betweenNodes, only } from './node-facing.ts';
import { createObjectFetch } from './object-fetch.ts';
import { openRemote } from './remote.ts';
import { remoteSource } from './remote-source.ts';

export interface NetworkParts {
  readonly env: Env;
  readonly config: Config<MicronodeTables>;
  readonly kms: Kms;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Which addresses may be dialled that are not this node’s operator’s own choice. */
  readonly mayDial: (address: string) => boolean;
  /** Whether what is remembered of other nodes outlives the process, in a file of the env’s disk. */
  readonly remembers: boolean;
  readonly authenticator: Authenticator;
  readonly policy: PolicyStage;
  readonly revocationSeq: () => number;
  readonly blobs: BlobEngine;
  readonly hosted: (name: string) => HostedService | undefined;
}

/** What a node has beside its own services when it is one of many. */
export interface NetworkPlane extends AsyncDisposable {
  readonly contact: Contact;
  readonly services: readonly Service[];
  readonly engines: Readonly<Record<string, unknown>>;
  /** Objects of other nodes, for the edge. */
  readonly far: EdgeFarOptions;
  /** Names of other nodes, for the index. */
  readonly elsewhere: NamesElsewhere;
  /** Tells the network which objects are here, and which no longer. */
  readonly presence: Presence;
  /** Copies on other nodes, for the gateway. */
  readonly copies: Pick<Peer<typeof overlayContract>, 'pin'>;
  /** The stored bytes of an object are damaged: other nodes may have it. */
  mend(address: string): void;
  /** The same of all that was here before the node started. */
  announceAll(addresses: Iterable<string>): Promise<void>;
}

/** What nodes may ask of this one: what all nodes ask one another, and what those ask that are trusted. */
const served = [betweenNodes(overlayContract), betweenNodes(dhtContract), only(indexContract, 'match')];

/** Opens the node's place in the network: it listens from now on, and joins when its services start. */
export async function openNetwork(parts: NetworkParts): Promise<NetworkPlane> {
  const { env, config, kms, log, metrics, mayDial, blobs, hosted } = parts;
  const settings = config.table('network').current();
  await using stack = new AsyncDisposableStack();
  const identity = await openNodeIdentity(kms, env.work);
  const socks = settings.socks === '' ? {} : { socks: { address: parseNetAddress(settings.socks) } };
  const transport = stack.use(await createNodeTransport({ env, identity, log, metrics, mayDial, ...socks }));
  const links = stack.use(createNodeLinks({ transport, env, agent: `ron/${version.version}` }));
  const channels = new OpenChannels(links);
  // Asked for each time: a node that is trusted from now on need not come anew, and one that is no longer has to leave nothing.
  const trusted = () => config.table('network').current().trusted;
  const isBanned = (id: NodeId) => overlayApi?.isBanned(id) === true;
  const isTrusted = (id: NodeId) => trusted().includes(id);
  const rightsOf = (id: NodeId) => (method: string, resource: string) =>
    method === 'read' && /^[on]\//.test(resource) && isTrusted(id);
  const listener = stack.use(
    await bindOapServer({
      env,
      log,
      metrics,
      address: parseNetAddress(settings.listen),
      dispatchers: served.map((contract) => lateDispatcher(contract, () => hosted(contract.name)?.dispatcher)),
      identity: {
        server_version: version.version,
        node_id: identity.nodeId,
        transports: ['tls'],
        get revocation_seq() {
          return parts.revocationSeq();
        },
      },
      listen: (accept) =>
        transport.listen(parseNetAddress(settings.listen), (connection) => {
          const { nodeId, channelBinding } = connection;
          if (isBanned(nodeId)) return connection.duplex.destroy();
          const node = nodePrincipal(nodeId, rightsOf(nodeId), channelBinding);
          // A ban also holds for what was open before it.
          const allows: Principal['allows'] = (method, resource) => !isBanned(nodeId) && node.allows(method, resource);
          accept(channels.take(connection), { ...node, allows });
        }),
    }),
  );
  const contact: Contact = {
    id: identity.nodeId,
    address: settings.address || addressOf(listener),
    ...(settings.region === '' ? {} : { region: settings.region }),
  };
  const seeds = settings.seeds.map(seedOf);
  let overlayApi: OverlayApi | undefined;
  const signer = { id: identity.nodeId, publicKey: identity.publicKey, sign: identity.sign };
  const verify = (key: Uint8Array, bytes: Uint8Array, signature: Uint8Array) =>
    verifyRaw('ed25519', key, bytes, signature);
  const overlayEngines: OverlayEngines = {
    ask: links.ask(overlayContract),
    channels,
    signer,
    verify,
    maySend: maySend({ ...parts, isBanned, principalOf: (id) => nodePrincipal(id, rightsOf(id)), isTrusted }),
    about: {
      addresses: [contact.address],
      version: version.version,
      ...(contact.region === undefined ? {} : { region: contact.region }),
    },
    seeds,
    topics: [],
    copies: {
      shelf: blobs,
      freeBytes: () => freeBytes(blobs),
      mayPlace: (id) => isTrusted(id) && !isBanned(id),
      mayKeep: () => present(),
      fetch: (wanted, signal) => fetch(wanted, signal),
    },
    store: parts.remembers ? createDiskPeerStore({ disk: env.disk, log, path: 'peers.json' }) : createRamPeerStore(),
    attach: (api) => {
      overlayApi = api;
    },
  };
  const members = () => (overlayApi?.members() ?? []).map(contactOf).filter(({ id }) => !isBanned(id));
  const onDamage = (detail: string) => log.error({ detail }, 'the log of nodes failed or was damaged');
  const memory = parts.remembers
    ? stack.use(await openTable<Contact>({ env, folder: 'dht-nodes', entriesMax: rememberedMax, onDamage }))
    : undefined;
  const dhtEngines: DhtEngines = {
    contact,
    ask: links.ask(dhtContract),
    isLinked: (id) => links.isOpen(id),
    signer,
    verify,
    seeds: () => [...seeds, ...members()],
    // Claims of strangers are proven, so that false ones do not end a search; they count among the 64 that it looks at.
    mayTrust: ({ provider }, address) =>
      provider.id === identity.nodeId || isTrusted(provider.id) || remote.has(nameOf(provider), address),
    isBanned,
    onForged: (id) => overlayApi?.offend(id, 'bad_signature'),
    ...(memory && { memory }),
  };
  const me = servicePrincipal('network', rightsFor(dhtContract));
  const localDht = bindLocal(dhtContract, () => hosted('dht')!.dispatcher, me, env);
  const present = () => {
    const byId = new Map(members().map((member) => [member.id, member]));
    return trusted().flatMap((id) => byId.get(id) ?? []);
  };
  const holders = new Holders({
    dht: () => localDht,
    trusted: present,
    isBanned,
    rank: (nodes) => overlayApi?.quality.rank(nodes) ?? nodes,
    self: identity.nodeId,
  });
  const onLiar = (id: NodeId) => {
    overlayApi?.offend(id, 'wrong_bytes');
    channels.drop(id);
  };
  const quality = () => overlayApi?.quality;
  const remote = openRemote({ env, log, metrics, links, holders, isTrusted, isBanned, quality, onLiar });
  const announcer = new Announcer(() => localDht, log);
  const fetch = createObjectFetch({
    clock: env.clock,
    random: env.random,
    log,
    remote,
    blobs,
    objectBytesMax: () => config.table('storage').current().object_bytes_max,
    onStored: (address) => announcer.add(address),
  });
  const mender = stack.use(new Mender(blobs, fetch, (delayMs, task) => env.clock.after(delayMs, task), log, metrics));
  const pinning = only(overlayContract, 'pin');
  const asGateway = servicePrincipal('gateway', rightsFor(pinning));
  const owned = stack.move();
  return {
    contact,
    services: [overlay, dht],
    engines: { overlay: overlayEngines, dht: dhtEngines },
    far: { bytesMax: settings.cache_bytes_max, sources: [remoteSource(remote)] },
    elsewhere: new FarNames({ links, trusted: present, clock: env.clock }),
    presence: { onStored: (address) => announcer.add(address), onRemoved: (address) => announcer.remove(address) },
    copies: bindLocal(overlayContract, () => hosted('overlay')!.dispatcher, asGateway, env),
    mend: (address) => mender.mend(address),
    announceAll: (addresses) => announcer.addAll(addresses),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A part of storage stays its owner's: a node that is full of copies would refuse what it is there for. */
const ownShare = 1 / 8;

function freeBytes(blobs: BlobEngine): number {
  if (blobs.gates().some(({ ok }) => !ok)) return 0;
  const { bytes, bytesMax } = blobs.usage();
  return Math.max(0, Math.floor(bytesMax * (1 - ownShare)) - bytes);
}

function seedOf(text: string): Contact {
  const at = text.indexOf('@');
  return { id: text.slice(0, at), address: text.slice(at + 1) };
}

function addressOf({ address }: Listener): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
