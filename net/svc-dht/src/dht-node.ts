import type { Clock, Random } from '@ron/kernel';
import type { DhtKey, dhtContract } from '@ron/proto/dht';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { type Ask, type NodeSigner, TokenBuckets, type VerifySignature } from '@ron/transport';
import { randomWithin } from './distance.ts';
import { Lookup, type LookupOutcome, type LookupPlan } from './lookup.ts';
import { NetworkSize, regionBitsOf } from './network-size.ts';
import { PeerTimes } from './peer-times.ts';
import { type CheckRecord, createRecordCheck } from './record.ts';
import { RecordStore } from './record-store.ts';
import { RoutingTable } from './routing-table.ts';
import type { DhtRules } from './rules.ts';

/** What the node is made of; no sockets, no files. */
export interface DhtPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly ask: Ask<typeof dhtContract>;
  /** Whether a connection to the node is open. Without it all are taken to be. */
  isLinked?(id: NodeId): boolean;
  blake3(bytes: Uint8Array): Uint8Array;
  readonly signer: Pick<NodeSigner, 'publicKey' | 'sign'>;
  readonly verify: VerifySignature;
  /** In place of the check that follows from `blake3` and `verify`, for simulations that share its results. */
  readonly check?: CheckRecord;
  /** Who is not asked, not believed, and not told to others. Without it nobody is banned. */
  isBanned?(id: NodeId): boolean;
  /** This node handed on a record that its provider never signed, or one of another key: who checks what it keeps has none. */
  onForged?(from: NodeId): void;
}

export interface NodeLookup {
  readonly paths: readonly DhtKey[];
  /** Default: k. */
  readonly width?: number;
  readonly regionBits?: number;
  /** Ends the lookup early. */
  enough?(): boolean;
}

/** Round trips of a first question: TCP, TLS 1.3, OAP's HELLO, and the question itself. */
const coldRoundTrips = 4;

/** A node of the DHT: its table, what it keeps for others, and how it asks. */
export class DhtNode {
  readonly contact: Contact;
  readonly rules: DhtRules;
  readonly ports: DhtPorts;
  readonly table: RoutingTable;
  readonly store: RecordStore;
  readonly size: NetworkSize;
  readonly check: CheckRecord;
  readonly counts = { lookups: 0, asked: 0, failed: 0 };
  readonly #budget: TokenBuckets;
  readonly #times = new PeerTimes();

  constructor(contact: Contact, rules: DhtRules, ports: DhtPorts) {
    this.contact = contact;
    this.rules = rules;
    this.ports = ports;
    const { clock, random, blake3 } = ports;
    this.size = new NetworkSize(rules.table.k);
    this.table = new RoutingTable(rules.table, {
      self: contact.id,
      clock,
      alive: (peer) => this.alive(peer),
      isBanned: (id) => this.isBanned(id),
    });
    this.store = new RecordStore(rules.store, { clock, random, blake3 });
    this.check = ports.check ?? createRecordCheck(ports);
    this.#budget = new TokenBuckets(
      clock,
      () => rules.peerRequestsPerSecond,
      () => rules.peerBurst,
    );
  }

  get id(): NodeId {
    return this.contact.id;
  }

  /** How many nodes there are, about. */
  get sizeEstimate(): number {
    return this.size.estimate(this.id, this.table.size, this.table.neighbours);
  }

  /** First bits shared by a key and the nodes that keep its records. 256: the k nearest, whatever they share. */
  get regionBits(): number {
    const { regionNodesMin } = this.rules;
    return regionNodesMin === 0 ? 256 : regionBitsOf(this.sizeEstimate, regionNodesMin);
  }

  /** Charges a peer for what it asks. Throws `quota_exhausted` with the wait. */
  charge(peer: NodeId, cost: number): void {
    const retryAfterMs = this.#budget.take(peer, cost);
    if (retryAfterMs === 0) return;
    throw new RonError('quota_exhausted', 'this node is asked too much by its peer', { retryAfterMs });
  }

  isBanned(id: NodeId): boolean {
    return this.ports.isBanned?.(id) === true;
  }

  /** Asked twice before it is called dead: the first message may be lost. */
  async alive(peer: Contact): Promise<boolean> {
    for (let tries = 0; tries < 2; tries++) {
      try {
        await this.asking(peer, (asker) => this.ports.ask(peer, 'ping', { asker }, this.rules.rpcTimeoutMs));
        return true;
      } catch (error) {
        if (!isSilence(error)) return true;
      }
    }
    return false;
  }

  /** One request, and what it shows about the peer: that it lives and how far it is, or that it is silent. */
  async asking<T>(peer: Contact, request: (asker: Contact) => Promise<T>): Promise<T> {
    if (this.isBanned(peer.id)) throw new RonError('unavailable', 'the node is banned here');
    const { clock } = this.ports;
    const beganMs = clock.monotonicMs();
    const roundTrips = this.#roundTrips(peer);
    this.counts.asked++;
    try {
      const answer = await request(this.contact);
      this.#heardFrom(peer, (clock.monotonicMs() - beganMs) / roundTrips);
      return answer;
    } catch (error) {
      if (isSilence(error)) {
        this.counts.failed++;
        this.table.failed(peer.id);
      } else this.#heardFrom(peer, (clock.monotonicMs() - beganMs) / roundTrips);
      throw error;
    }
  }

  lookup<Answer extends { readonly contacts: readonly Contact[] }>(
    plan: Pick<LookupPlan<Answer>, 'paths' | 'query' | 'regionBits' | 'found'>,
    width: number,
  ): Promise<LookupOutcome> {
    const { rules, ports } = this;
    this.counts.lookups++;
    const lookup = new Lookup<Answer>(
      ports.clock,
      {
        parallel: rules.parallel,
        width,
        hedgeMs: rules.hedgeMs,
        rpcTimeoutMs: rules.rpcTimeoutMs,
        deadlineMs: rules.lookupTimeoutMs,
        asksMax: rules.lookupAsksMax,
        groupAsksMax: rules.groupAsksMax,
      },
      {
        ...plan,
        self: this.id,
        start: (toward) => this.table.closest(toward, rules.table.k),
        isBanned: (id) => this.isBanned(id),
        expectedMs: (peer) => this.expectedMs(peer),
      },
    );
    return lookup.run();
  }

  /** Nodes along the paths; a full one over one path is a sample of the network's size. */
  async findNodes({ paths, width = this.rules.table.k, regionBits = 256, enough }: NodeLookup): Promise<LookupOutcome> {
    const { ask } = this.ports;
    const outcome = await this.lookup(
      {
        paths,
        regionBits,
        query: (peer, target, timeoutMs) =>
          this.asking(peer, (asker) => ask(peer, 'find_node', { target, asker }, timeoutMs)),
        ...(enough === undefined ? {} : { found: enough }),
      },
      width,
    );
    const [nearest = []] = outcome.nearest;
    const full = outcome.complete && paths.length === 1 && width === this.rules.table.k;
    if (full) this.size.observe(paths[0]!, nearest.slice(0, width));
    return outcome;
  }

  /** A point that only nodes of the bucket are near to. */
  pointInBucket(index: number, flipped: DhtKey): DhtKey {
    return randomWithin(flipped, index + 1, this.ports.random);
  }

  /** Milliseconds until it answers, connecting included. */
  expectedMs(peer: Contact): number {
    return (this.table.find(peer.id)?.rttMs ?? this.#times.expectedMs(peer)) * this.#roundTrips(peer);
  }

  /** What a question takes in round trips: a time with connecting in it says four times too much about the way. */
  #roundTrips({ id }: Contact): number {
    return this.ports.isLinked?.(id) === false ? coldRoundTrips : 1;
  }

  #heardFrom(peer: Contact, rttMs: number): void {
    this.#times.observe(peer, rttMs);
    this.table.answered(peer, rttMs);
  }
}

/** Nobody answered; any other refusal is an answer. */
export function isSilence(error: unknown): boolean {
  return error instanceof RonError && (error.code === 'unavailable' || error.code === 'deadline_exceeded');
}
