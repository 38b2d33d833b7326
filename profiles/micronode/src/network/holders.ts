import type { Peer } from '@ron/proto/contract';
import type { dhtContract } from '@ron/proto/dht';
import type { Contact, NodeId } from '@ron/proto/network';

/** Providers that a search ends at: a download reads from fewer. */
const wanted = 8;

export interface HolderPorts {
  readonly dht: () => Pick<Peer<typeof dhtContract>, 'locate'>;
  /** Nodes that are present and believed. */
  readonly trusted: () => readonly Contact[];
  readonly isBanned: (id: NodeId) => boolean;
  /** By what was measured of them, the best first. */
  readonly rank: (nodes: readonly Contact[]) => readonly Contact[];
  readonly self: NodeId;
}

/** Who may have an object: trusted nodes, which may not have told the network yet, and whoever says that it has it. */
export class Holders {
  readonly #ports: HolderPorts;

  constructor(ports: HolderPorts) {
    this.#ports = ports;
  }

  /** Known without asking. */
  near(): readonly Contact[] {
    const { trusted, rank } = this.#ports;
    return rank(this.#others(trusted()));
  }

  /** Rejects as the DHT does. */
  async find(address: string): Promise<readonly Contact[]> {
    const { dht, rank } = this.#ports;
    const { records } = await dht().locate({ address, want: wanted });
    return rank(this.#others(records.map(({ provider }) => provider)));
  }

  #others(nodes: readonly Contact[]): readonly Contact[] {
    const { isBanned, self } = this.#ports;
    return nodes.filter(({ id }) => id !== self && !isBanned(id));
  }
}
