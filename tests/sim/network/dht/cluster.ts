import { createInlineWork } from '@ron/kernel/real';
import { SimClock, type SimRandom } from '@ron/kernel/sim';
import { dhtContract, type ProviderRecord } from '@ron/proto/dht';
import type { Contact, NodeId } from '@ron/proto/network';
import {
  type CheckRecord,
  createNodeHandlers,
  createRecordCheck,
  DhtNode,
  type DhtPorts,
  type DhtRules,
  Publisher,
  serveNode,
  sharedBits,
  Upkeep,
} from '@ron/svc-dht/service';
import type { Serve } from '../message-net.ts';
import type { SimulatedNetwork } from '../scenario.ts';

type SimSigner = DhtPorts['signer'];

const epochMs = Date.UTC(2026, 0, 1);
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A node of the production code, and the hands on it. */
export interface SimNode {
  readonly contact: Contact;
  readonly node: DhtNode;
  readonly publisher: Publisher;
  readonly upkeep: Upkeep;
  readonly clock: SimClock;
  readonly signer: SimSigner;
}

/** How a cluster is broken on purpose, or attacked. */
export interface ClusterOptions {
  readonly rules: DhtRules;
  readonly checkRecords?: boolean;
  /** While it says so, a node that is asked whether it lives is called dead without being asked. */
  readonly evictOldest?: () => boolean;
  readonly mayTrust?: (record: ProviderRecord) => boolean;
}

export interface NodeOptions {
  /** Leading bits that its id shares with this point: found by trying keys, as an attacker would. */
  readonly beside?: { readonly point: NodeId; readonly bits: number };
  /** Answers in place of the node's own handlers. */
  readonly serve?: (own: DhtNode) => Serve;
}

/** Nodes of a DHT on a simulated network. Signatures are keyed hashes of a secret that only the simulation knows. */
export class Cluster {
  readonly network: SimulatedNetwork;
  readonly options: ClusterOptions;
  readonly nodes: SimNode[] = [];
  readonly #random: SimRandom;
  readonly #work = createInlineWork();
  readonly #secrets = new Map<string, Uint8Array>();
  readonly #check: CheckRecord;
  #made = 0;

  constructor(network: SimulatedNetwork, options: ClusterOptions) {
    this.network = network;
    this.options = options;
    this.#random = network.random.fork('cluster');
    this.#check = this.#createCheck(options.checkRecords ?? true);
  }

  get wallMs(): number {
    return epochMs + this.network.scheduler.nowMs;
  }

  create({ beside, serve }: NodeOptions = {}): SimNode {
    const { net, latency, scheduler } = this.network;
    const index = this.#made++;
    const random = this.#random.fork(`node ${index}`);
    const signer = this.#signer(random, beside);
    const id = toHex(this.#work.blake3(signer.publicKey));
    const contact: Contact = { id, address: addressOf(index), region: latency.drawRegion(random) };
    const clock = new SimClock(scheduler, `n${index}`, epochMs);
    const asks: { ask: DhtPorts['ask'] } = { ask: () => Promise.reject(new Error('not attached')) };
    const node = new DhtNode(contact, this.options.rules, {
      clock,
      random,
      ask: ((to, operation, input, timeoutMs) => asks.ask(to, operation, input, timeoutMs)) as DhtPorts['ask'],
      isLinked: (to) => net.isLinked(id, to),
      blake3: (bytes) => this.#work.blake3(bytes),
      signer,
      verify: () => false,
      check: this.#check,
      ...(this.options.mayTrust === undefined ? {} : { mayTrust: this.options.mayTrust }),
    });
    this.#breakEviction(node);
    const own = serveNode(createNodeHandlers(node));
    const endpoint = net.attach(
      contact,
      serve?.(node) ?? (async (operation, input, from) => own(operation, input, from)),
    );
    asks.ask = endpoint.ask(dhtContract);
    const publisher = new Publisher(node);
    const seeds = this.#seeds(random);
    const upkeep = new Upkeep(node, publisher, () => seeds);
    return { contact, node, publisher, upkeep, clock, signer };
  }

  /** Adds `count` nodes, spread over `overMs`, and waits until each has joined. */
  async grow(count: number, overMs: number): Promise<void> {
    const { scheduler } = this.network;
    const joins: Promise<void>[] = [];
    for (let index = 0; index < count; index++) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      joins.push(promise);
      scheduler.after((overMs * index) / count, () => this.join().then(() => resolve(), reject), 'join');
    }
    await scheduler.settle(Promise.all(joins), overMs + 600_000);
  }

  async join(): Promise<SimNode> {
    const made = this.create();
    await made.upkeep.start();
    this.nodes.push(made);
    return made;
  }

  /** The node is gone without a word, or ends in order. */
  remove(gone: SimNode, how: 'crash' | 'leave'): void {
    gone.clock.kill();
    if (how === 'crash') this.network.net.crash(gone.contact.id);
    else this.network.net.detach(gone.contact.id);
    const at = this.nodes.indexOf(gone);
    if (at >= 0) this.nodes.splice(at, 1);
  }

  draw(random: SimRandom): SimNode {
    return this.nodes[random.integer(this.nodes.length)]!;
  }

  /** What a table that never asks the oldest would do. */
  #breakEviction(node: DhtNode): void {
    const { evictOldest } = this.options;
    if (evictOldest === undefined) return;
    const alive = node.alive.bind(node);
    node.alive = async (peer) => (evictOldest() && node.table.find(peer.id) !== undefined ? false : alive(peer));
  }

  /** Addresses of nodes that are there already, as a node’s peer store gives them. */
  #seeds(random: SimRandom): Contact[] {
    const { nodes } = this;
    return Array.from({ length: Math.min(5, nodes.length) }, () => nodes[random.integer(nodes.length)]!.contact);
  }

  #signer(random: SimRandom, beside: NodeOptions['beside']): SimSigner {
    let publicKey = random.bytes(32);
    if (beside !== undefined) {
      while (sharedBits(toHex(this.#work.blake3(publicKey)), beside.point) < beside.bits) publicKey = random.bytes(32);
    }
    const secret = random.bytes(32);
    this.#secrets.set(toHex(publicKey), secret);
    return { publicKey, sign: (message) => this.#signature(secret, message) };
  }

  #signature(secret: Uint8Array, message: Uint8Array): Uint8Array {
    const half = this.#work.blake3(Buffer.concat([secret, message]));
    return Buffer.concat([half, half]);
  }

  /** One object is one record to all nodes, so its signature is checked once. */
  #createCheck(really: boolean): CheckRecord {
    const check = createRecordCheck({
      blake3: (bytes) => this.#work.blake3(bytes),
      verify: (publicKey, message, signature) => {
        const secret = this.#secrets.get(toHex(publicKey));
        return secret !== undefined && toHex(this.#signature(secret, message)) === toHex(signature);
      },
    });
    if (!really) return () => undefined;
    const good = new WeakSet<ProviderRecord>();
    return (record, nowMs) => {
      if (good.has(record)) return record.expires_at > nowMs ? undefined : 'expired';
      const refusal = check(record, nowMs);
      if (refusal === undefined) good.add(record);
      return refusal;
    };
  }
}

/** Two nodes in each /24. */
function addressOf(index: number): string {
  const network = index >> 1;
  return `${20 + (network >> 16)}.${(network >> 8) & 255}.${network & 255}.${1 + (index & 1)}:9700`;
}
