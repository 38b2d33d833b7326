import type { Contact, NodeId } from '@ron/proto/network';
import type { RoutingTable } from './routing-table.ts';

/** Nodes that are remembered over a restart, the nearest first: with 20 a bucket, all that the table of 10,000 nodes has. */
export const rememberedMax = 256;

type Change = readonly [id: NodeId, contact: Contact | undefined];

/** `openTable<Contact>` of @ron/journal with `rememberedMax` entries; whoever opened it closes it. */
export interface ContactTable {
  entries(): Iterable<readonly [NodeId, Contact]>;
  transact<T>(decide: () => { readonly changes: readonly Change[]; readonly result: T }): Promise<T>;
}

/**
 * The routing table over a restart. Nothing of it is trusted: who was there gets a place by its answer, as everybody does. It keeps who is
 * new on the way to the table from being the first whom a restarted node knows.
 */
export class TableMemory {
  readonly #stored: ContactTable;

  constructor(stored: ContactTable) {
    this.#stored = stored;
  }

  get contacts(): Contact[] {
    return [...this.#stored.entries()].map(([, contact]) => contact);
  }

  /** Writes what has changed. A table that is empty, as where the network is away, changes nothing. */
  async keep(self: NodeId, table: RoutingTable): Promise<void> {
    const now = new Map(table.closest(self, rememberedMax).map((contact) => [contact.id, contact]));
    if (now.size === 0) return;
    const changes: Change[] = [];
    for (const [id, { address, region }] of this.#stored.entries()) {
      const contact = now.get(id);
      if (contact === undefined) changes.push([id, undefined]);
      else if (contact.address === address && contact.region === region) now.delete(id);
    }
    for (const [id, contact] of now) changes.push([id, contact]);
    if (changes.length > 0) await this.#stored.transact(() => ({ changes, result: undefined }));
  }
}
