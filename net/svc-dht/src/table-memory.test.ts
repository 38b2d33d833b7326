import type { Contact, NodeId } from '@ron/proto/network';
import { expect, test } from 'vitest';
import { type ContactTable, TableMemory } from './table-memory.ts';
import { SmallNetwork } from './testing/small-network.ts';
import { Upkeep } from './upkeep.ts';

/** Outlives the processes of a test. */
class MapTable implements ContactTable {
  readonly rows = new Map<NodeId, Contact>();
  writes = 0;

  entries() {
    return this.rows.entries();
  }

  async transact<T>(decide: Parameters<ContactTable['transact']>[0]): Promise<T> {
    this.writes++;
    const { changes, result } = decide();
    for (const [id, contact] of changes) {
      if (contact === undefined) this.rows.delete(id);
      else this.rows.set(id, contact);
    }
    return result as T;
  }
}

test('a node that starts anew finds its place by those whom it knew, also when its seeds are gone', async () => {
  const network = new SmallNetwork();
  const memory = new TableMemory(new MapTable());
  const nodes = await network.addJoined(5);
  const first = network.add();
  const upkeep = new Upkeep(first.node, first.publisher, () => [nodes[0]!.contact], { memory });
  await network.run(upkeep.join());
  await network.run(upkeep[Symbol.asyncDispose]());
  network.nodes.delete(nodes[0]!.contact.id);
  const again = network.add({ seeds: [nodes[0]!.contact] });
  const late = new Upkeep(again.node, again.publisher, () => [nodes[0]!.contact], { memory });
  await network.run(late.join());
  expect(late.unready).toBeUndefined();
  for (const { contact } of nodes.slice(1)) expect(again.node.table.find(contact.id)).toBeDefined();
});

test('what is kept is what the table has, and an empty table changes nothing', async () => {
  const network = new SmallNetwork();
  const [one, two, three] = await network.addJoined(3);
  const stored = new MapTable();
  const memory = new TableMemory(stored);
  await memory.keep(one!.node.id, one!.node.table);
  const ids = () => memory.contacts.map(({ id }) => id).sort();
  expect(ids()).toEqual([two!.contact.id, three!.contact.id].sort());
  await memory.keep(one!.node.id, one!.node.table);
  expect(stored.writes).toBe(1);
  for (let times = 0; times < 3; times++) one!.node.table.failed(two!.contact.id);
  await memory.keep(one!.node.id, one!.node.table);
  expect(ids()).toEqual([three!.contact.id]);
  one!.node.table.answered({ ...three!.contact, address: '10.9.9.9:1' }, 1);
  await memory.keep(one!.node.id, one!.node.table);
  expect(memory.contacts[0]!.address).toBe('10.9.9.9:1');
  const alone = network.add();
  await memory.keep(alone.node.id, alone.node.table);
  expect(ids()).toEqual([three!.contact.id]);
});
