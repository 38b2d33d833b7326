import type { Clock } from '@ron/kernel';
import type { Peer } from '@ron/proto/contract';
import type { dhtContract } from '@ron/proto/dht';
import type { Contact, NodeId } from '@ron/proto/network';

/** As many as a download asks one after the other. */
export const holdersMax = 5;
/** For which an answer is used again. */
const freshMs = 30_000;
const addressesMax = 1_024;

export interface HolderPorts {
  readonly clock: Clock;
  readonly dht: () => Pick<Peer<typeof dhtContract>, 'locate'>;
  /** Nodes that are present and believed, in the operator's order. */
  readonly trusted: () => readonly Contact[];
  readonly isBanned: (id: NodeId) => boolean;
  readonly self: NodeId;
}

interface Known {
  readonly atMs: number;
  readonly holders: Promise<readonly Contact[]>;
}

/** Who may have an object: trusted nodes that said so to the network, other trusted ones, which may not have said it yet, then strangers. */
export class Holders {
  readonly #ports: HolderPorts;
  readonly #known = new Map<string, Known>();

  constructor(ports: HolderPorts) {
    this.#ports = ports;
  }

  /** At most five; never rejects: who cannot be asked knows nobody. */
  async of(address: string): Promise<readonly Contact[]> {
    const { clock, isBanned } = this.#ports;
    const nowMs = clock.monotonicMs();
    let known = this.#known.get(address);
    if (known === undefined || nowMs - known.atMs >= freshMs) {
      known = { atMs: nowMs, holders: this.#ask(address) };
      this.#known.delete(address);
      this.#known.set(address, known);
      for (const oldest of this.#known.keys()) {
        if (this.#known.size <= addressesMax) break;
        this.#known.delete(oldest);
      }
    }
    const holders = await known.holders;
    // Somebody may have it the next moment: who is trusted, or announces it.
    if (holders.length === 0 && this.#known.get(address) === known) this.#known.delete(address);
    return holders.filter(({ id }) => !isBanned(id)).slice(0, holdersMax);
  }

  async #ask(address: string): Promise<readonly Contact[]> {
    const { dht, trusted, self } = this.#ports;
    const found = await dht()
      .locate({ address, want: holdersMax })
      .catch(() => ({ records: [] }));
    const believed = trusted();
    const claims = found.records.map(({ provider }) => provider);
    const said = new Set(claims.map(({ id }) => id));
    // Anybody can claim to have it: claims of strangers hide nobody who is trusted.
    const all = [...believed.filter(({ id }) => said.has(id)), ...believed, ...claims];
    const byId = new Map<NodeId, Contact>();
    for (const contact of all) if (contact.id !== self && !byId.has(contact.id)) byId.set(contact.id, contact);
    return [...byId.values()];
  }
}
