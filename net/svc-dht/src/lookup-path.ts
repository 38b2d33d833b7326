import type { DhtKey } from '@ron/proto/dht';
import type { Contact, NodeId } from '@ron/proto/network';
import { compareDistance, sharedBits } from './distance.ts';

/** A node on the way. */
export interface Candidate {
  readonly contact: Contact;
  /** Requests from this node to it: 1 for one of the own table. */
  readonly depth: number;
  /** Who named it. */
  readonly via: NodeId | undefined;
  readonly bits: number;
  state: 'new' | 'asked' | 'answered' | 'failed' | 'skipped';
}

export interface PathPorts {
  readonly toward: DhtKey;
  readonly width: number;
  readonly regionBits: number;
  expectedMs(contact: Contact): number;
  isBanned(id: NodeId): boolean;
  /** Asked by any path of the lookup. */
  readonly taken: ReadonlySet<NodeId>;
}

/** `regionBits` of a path that goes to one point. */
const wholePoint = 256;
/** Candidates kept, nearest first: as many as three answers hold. */
const candidatesMax = 64;
/**
 * Nearest candidates outside the region of which the quickest is asked: all that an own table names at first. So many that tables, which
 * joining fills by lookups, come to hold quick nodes among those that are as good as each other.
 */
const windowMax = 20;
/** Bits that an answer of 20 nodes gets nearer, about: log2(20). */
const bitsPerHop = 4;
/** Milliseconds that a hop more is taken to cost: a question over a new connection to a node nearby. */
const hopMs = 100;
/** Nodes that somebody named and that did not answer, before nothing else of what it named is asked. */
const blamedMax = 3;

/** One way towards one point. */
export class LookupPath {
  readonly toward: DhtKey;
  inFlight = 0;
  readonly #ports: PathPorts;
  readonly #known = new Set<NodeId>();
  readonly #blame = new Map<NodeId, number>();
  #candidates: Candidate[] = [];

  constructor(ports: PathPorts) {
    this.#ports = ports;
    this.toward = ports.toward;
  }

  offer(contact: Contact, via: Candidate | undefined): void {
    if (this.#known.has(contact.id) || this.#ports.isBanned(contact.id)) return;
    const candidate: Candidate = {
      contact,
      depth: (via?.depth ?? 0) + 1,
      via: via?.contact.id,
      bits: sharedBits(this.toward, contact.id),
      state: 'new',
    };
    let at = this.#candidates.length;
    while (at > 0 && compareDistance(this.toward, contact.id, this.#candidates[at - 1]!.contact.id) < 0) at--;
    if (at >= candidatesMax) return;
    this.#known.add(contact.id);
    this.#candidates.splice(at, 0, candidate);
    if (this.#candidates.length > candidatesMax) this.#candidates.pop();
  }

  /**
   * Whom to ask next: of the nearest that have not been asked the one whose way to the region is quickest. A quick answer of a node
   * outside, which names quick ones inside, may come before that of a slow one inside. Undefined when the nearest `width` have
   * answered or nobody is left.
   */
  next(): Candidate | undefined {
    const { width, regionBits, taken } = this.#ports;
    let best: Candidate | undefined;
    let bestMs = Number.POSITIVE_INFINITY;
    let settled = 0;
    let outside = 0;
    for (const candidate of this.#candidates) {
      const { contact, state, bits } = candidate;
      if (state === 'answered') settled++;
      if (settled >= width) break;
      if (state !== 'new' || taken.has(contact.id) || this.#blamed(candidate)) continue;
      if (bits < regionBits && ++outside > windowMax) break;
      const ms = this.#wayMs(candidate);
      if (ms < bestMs) {
        best = candidate;
        bestMs = ms;
      }
    }
    return best;
  }

  launched(candidate: Candidate): void {
    candidate.state = 'asked';
    this.inFlight++;
  }

  skip(candidate: Candidate): void {
    candidate.state = 'skipped';
  }

  answered(candidate: Candidate, contacts: readonly Contact[]): void {
    this.inFlight--;
    candidate.state = 'answered';
    for (const contact of contacts) this.offer(contact, candidate);
  }

  failed(candidate: Candidate): void {
    this.inFlight--;
    candidate.state = 'failed';
    const { via } = candidate;
    if (via !== undefined) this.#blame.set(via, (this.#blame.get(via) ?? 0) + 1);
  }

  nearest(): Contact[] {
    return this.#candidates.filter(({ state }) => state === 'answered').map(({ contact }) => contact);
  }

  heard(): Contact[] {
    const usable = this.#candidates.filter((candidate) => candidate.state !== 'failed' && !this.#blamed(candidate));
    return usable.map(({ contact }) => contact);
  }

  #wayMs({ contact, bits }: Candidate): number {
    const { regionBits, expectedMs } = this.#ports;
    const hops = regionBits === wholePoint ? 0 : Math.ceil(Math.max(0, regionBits - bits) / bitsPerHop);
    return expectedMs(contact) + hops * hopMs;
  }

  /** Who names nodes that are not there costs no more than a few waits. */
  #blamed({ via, state }: Candidate): boolean {
    return state === 'new' && via !== undefined && (this.#blame.get(via) ?? 0) >= blamedMax;
  }
}
