import { createInlineWork } from '@ron/kernel/real';
import { toHex } from '@ron/transport';
import { expect, test } from 'vitest';
import { findProviders } from './search.ts';
import { SmallNetwork } from './testing/small-network.ts';

const { blake3 } = createInlineWork();
const key = toHex(blake3(Buffer.from('an object')));

test('a banned node loses its place, is not asked, not told to others, and its records are not believed', async () => {
  const network = new SmallNetwork();
  const banned = new Set<string>();
  const nodes = await network.addJoined(5);
  await network.run(nodes[0]!.publisher.publish([key]));
  const judge = network.add({ ports: { isBanned: (id) => banned.has(id) } });
  await network.run(judge.upkeep.join());
  expect((await network.run(findProviders(judge.node, key, 5))).records).toHaveLength(1);
  const bad = nodes[0]!;
  banned.add(bad.contact.id);
  let asked = 0;
  const { serve } = bad;
  bad.serve = (operation, input, from) => {
    if (from === judge.contact.id) asked++;
    return serve(operation, input, from);
  };
  expect((await network.run(findProviders(judge.node, key, 5))).records).toEqual([]);
  const told = judge.serve('find_node', { target: bad.contact.id }, nodes[1]!.contact.id) as { contacts: object[] };
  expect(told.contacts).not.toContainEqual(bad.contact);
  expect(judge.node.table.find(bad.contact.id)).toBeDefined();
  judge.node.table.dropBanned();
  expect(judge.node.table.find(bad.contact.id)).toBeUndefined();
  judge.node.table.asked(bad.contact);
  judge.node.table.answered(bad.contact, 1);
  expect(await network.run(judge.node.alive(bad.contact))).toBe(false);
  expect(judge.node.table.find(bad.contact.id)).toBeUndefined();
  expect(asked).toBe(0);
  banned.clear();
  expect(await network.run(judge.node.alive(bad.contact))).toBe(true);
  expect(judge.node.table.find(bad.contact.id)).toBeDefined();
});

test('who hands on a record that was never signed, or one of another key, is named; who hands on an old one is not', async () => {
  const network = new SmallNetwork();
  const [provider, forger, mixer, slow, last] = await network.addJoined(5);
  await network.run(provider!.publisher.publish([key]));
  const [record] = provider!.node.store.recordsOf(key);
  const answerWith = (records: object[]) => () => ({ records, contacts: [] });
  forger!.serve = answerWith([{ ...record, sequence: 7 }]);
  mixer!.serve = answerWith([{ ...record, key: toHex(blake3(Buffer.from('another'))) }]);
  const nowMs = network.env.clock.wallMs();
  slow!.serve = answerWith([{ ...record, issued_at: nowMs - 2, expires_at: nowMs - 1 }]);
  for (const { contact } of [provider!, last!]) network.nodes.get(contact.id)!.serve = answerWith([]);
  const forged: string[] = [];
  const judge = network.add({ ports: { onForged: (from) => void forged.push(from) } });
  for (const { contact } of network.nodes.values()) judge.node.table.answered(contact, 10);
  await network.run(findProviders(judge.node, key, 32));
  expect(new Set(forged)).toEqual(new Set([forger!.contact.id, mixer!.contact.id]));
  const sender = provider!.contact.id;
  judge.serve('provide', { records: [{ ...record, sequence: 7 }] }, sender);
  expect(forged.at(-1)).toBe(sender);
});
