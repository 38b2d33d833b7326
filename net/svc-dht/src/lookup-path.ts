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
  /** Asked by any path of the lookup. */
  readonly taken: ReadonlySet<NodeId>;
}

/** Candidates kept, nearest first: as many as three answers hold. */
const candidatesMax = 64;
/** Nearest candidates of which the quickest is asked, on the way to the region. */
const windowMax = 5;
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
    if (this.#known.has(contact.id)) return;
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
   * Whom to ask next: of the nearest that have not been asked the one that is quickest. Undefined when the nearest `width` have
   * answered or nobody is left.
   */
  next(): Candidate | undefined {
    const { width, regionBits, expectedMs, taken } = this.#ports;
    let best: Candidate | undefined;
    let bestMs = Number.POSITIVE_INFINITY;
    let settled = 0;
    let seen = 0;
    for (const candidate of this.#candidates) {
      const { contact, state, bits } = candidate;
      if (state === 'answered') settled++;
      if (settled >= width) break;
      if (state !== 'new' || taken.has(contact.id) || this.#blamed(candidate)) continue;
      if (bits < regionBits && (seen >= windowMax || (best !== undefined && best.bits >= regionBits))) break;
      seen++;
      const ms = expectedMs(contact);
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

  /** Who names nodes that are not there costs no more than a few waits. */
  #blamed({ via, state }: Candidate): boolean {
    return state === 'new' && via !== undefined && (this.#blame.get(via) ?? 0) >= blamedMax;
  }
}
