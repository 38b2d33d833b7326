import { createInlineWork } from '@ron/kernel/real';
import type { SimClock } from '@ron/kernel/sim';
import { addressFromHash, parseAddress } from '@ron/naming';
import { dhtContract } from '@ron/proto/dht';
import type { Contact, NodeId } from '@ron/proto/network';
import { contactOf } from '@ron/proto/overlay';
import {
  createNodeHandlers,
  DhtNode,
  dhtRulesDefault,
  findProviders,
  keyOfAddress,
  Publisher,
  serveNode,
  Upkeep,
} from '@ron/svc-dht/service';
import type { AnswerCheck, NodeHandlers, Overlay, OverlayConfig, PlacementPeer } from '@ron/svc-overlay/service';
import type { SimulatedNetwork } from '../scenario.ts';
import { createCheapSigner, verifyCheap } from '../swim/cheap-keys.ts';
import { createSimOverlay, serveOverlay } from '../swim/sim-overlay.ts';
import { Copies, type CopiesPorts, copiesContract } from './copies.ts';

const { blake3 } = createInlineWork();
const providersWanted = 5;

export interface WholeNodeParts {
  readonly network: SimulatedNetwork;
  readonly index: number;
  readonly config: OverlayConfig;
  readonly isAnswer: AnswerCheck;
  readonly seeds: readonly Contact[];
  readonly breaks: CopiesPorts['breaks'];
}

/** Membership, DHT and copies of one node over one set of connections, joined as the profile joins them. */
export class WholeNode {
  readonly contact: Contact;
  readonly overlay: Overlay;
  readonly copies: Copies;
  readonly #network: SimulatedNetwork;
  readonly #clock: SimClock;
  readonly #dht: DhtNode;
  readonly #upkeep: Upkeep;
  isRunning = true;

  constructor(parts: WholeNodeParts) {
    const { network, index, config, isAnswer, seeds, breaks } = parts;
    const random = network.random.fork(`node ${index}`);
    const signer = createCheapSigner(random.bytes(32), blake3);
    this.#network = network;
    const region = network.latency.drawRegion(random);
    this.contact = { id: signer.id, address: `20.${index >> 8}.${index & 255}.1:9700`, region };
    let handlers: NodeHandlers | undefined;
    const overlayServes = serveOverlay(() => handlers);
    const endpoint = network.net.attach(this.contact, (operation, input, from, app) => {
      if (app === copiesContract.name) return this.copies.answer(operation, input, from);
      if (app === dhtContract.name) return Promise.try(() => dhtServes(operation, input, from));
      return overlayServes(operation, input, from, app);
    });
    const made = createSimOverlay({
      ...{ network, random, contact: this.contact, signer, endpoint, isAnswer, blake3, seeds },
      config: () => config,
      topics: [],
    });
    this.overlay = made.overlay;
    this.#clock = made.clock;
    ({ handlers } = made.overlay);
    this.#dht = new DhtNode(this.contact, dhtRulesDefault, {
      clock: made.clock,
      random: random.fork('dht'),
      ask: endpoint.ask(dhtContract),
      isLinked: (to) => network.net.isLinked(signer.id, to),
      blake3,
      signer,
      verify: verifyCheap,
    });
    const dhtServes = serveNode(createNodeHandlers(this.#dht));
    const publisher = new Publisher(this.#dht);
    this.#upkeep = new Upkeep(this.#dht, publisher, () => [...seeds, ...this.overlay.members().map(contactOf)]);
    this.copies = new Copies({
      ...{ self: this.contact, clock: made.clock, ask: endpoint.ask(copiesContract), breaks },
      contactOf: (id) => this.#contactOf(id),
      peers: () => this.#peers(),
      stateOf: (id) => this.#stateOf(id),
      onStored: (address) => void publisher.add(keyOfAddress(parseAddress(address), blake3)),
    });
    this.overlay.onMember(({ record }) => this.copies.repair.onPeer(record.id, this.#stateOf(record.id)));
  }

  async start(): Promise<void> {
    await this.overlay.start();
    await this.#upkeep.start();
  }

  /** The machine is gone without a word, and what it had with it. */
  crash(): void {
    this.isRunning = false;
    this.#clock.kill();
    this.overlay.stop();
    this.copies[Symbol.dispose]();
    this.#network.net.crash(this.contact.id);
  }

  /** Whether a node is found that has the object, and answers. */
  async finds(address: string): Promise<boolean> {
    if (this.copies.stored.has(address)) return true;
    const { records } = await findProviders(this.#dht, keyOfAddress(parseAddress(address), blake3), providersWanted);
    for (const { provider } of records) if (await this.copies.isAt(provider, address)) return true;
    return false;
  }

  #contactOf(id: NodeId): Contact | undefined {
    const record = this.overlay.membership.table.get(id)?.record;
    return record === undefined ? undefined : contactOf(record);
  }

  #stateOf(id: NodeId): PlacementPeer['state'] {
    if (id === this.contact.id) return 'alive';
    const state = this.overlay.membership.table.get(id)?.state ?? 'dead';
    return state === 'left' ? 'dead' : state;
  }

  #peers(): PlacementPeer[] {
    return this.overlay.members().map(({ id, region }) => {
      const peer = { id, freeBytes: 2 ** 40, state: this.#stateOf(id), quality: 1 };
      return region === undefined ? peer : { ...peer, region };
    });
  }
}

/** An address that no other object of the run has. */
export function drawAddress(bytes: Uint8Array): string {
  return addressFromHash(blake3(bytes));
}
