import { registryLimits } from '@ron/proto/registry';
import { expect, test } from 'vitest';
import { ann, type Bed, bob, cid, outcomeOf, startRegistry } from './testing/test-bed.ts';
import { nextOf, signedBy } from './testing/test-signer.ts';

const other = `b3:${'1'.repeat(64)}`;
const observe = async (bed: Bed, node: string, claim: { version: number; id: string; previous?: string }) => {
  const { version, id, previous } = claim;
  const input = { node, version, id, ...(previous === undefined ? {} : { previous }) };
  return (await bed.run(bed.peer.observe(input))).verdict;
};
const agreement = (bed: Bed) => bed.gates().find(({ gate }) => gate === 'registry.agreement');

test('heads that fit raise nothing', async () => {
  await using bed = await startRegistry();
  const one = await bed.head();
  const two = await bed.change([]);
  expect(await observe(bed, 'a', two)).toBe('same');
  expect(await observe(bed, 'b', one)).toBe('behind');
  expect(await observe(bed, 'c', { version: 3, id: other, previous: two.id })).toBe('ahead');
  expect(await observe(bed, 'd', { version: 9, id: other })).toBe('ahead');
  expect([agreement(bed)?.ok, await bed.metric('registry_divergence_total'), bed.errors]).toEqual([true, 0, []]);
});

test('another id for a version that we have is an alarm, until the node has ours', async () => {
  await using bed = await startRegistry();
  const one = await bed.head();
  const two = await bed.change([]);
  expect(await observe(bed, 'a', { version: 1, id: other })).toBe('diverged');
  expect(await observe(bed, 'a', { version: 2, id: other })).toBe('diverged');
  expect(await observe(bed, 'b', { version: 2, id: other })).toBe('diverged');
  expect(agreement(bed)).toMatchObject({ ok: false, reason: '2 nodes have another registry than this one' });
  expect(await bed.metric('registry_divergence_total')).toBe(2);
  expect(bed.errors).toHaveLength(2);
  expect(bed.events).toContainEqual({ type: 'Health', service: 'registry', ok: false });
  expect(await observe(bed, 'a', two)).toBe('same');
  expect(agreement(bed)?.ok).toBe(false);
  // A fork that runs ahead of us does not end its alarm.
  expect(await observe(bed, 'b', { version: 7, id: other })).toBe('ahead');
  expect(agreement(bed)?.ok).toBe(false);
  expect(await observe(bed, 'b', one)).toBe('behind');
  expect(agreement(bed)?.ok).toBe(true);
  expect(bed.events.at(-1)).toEqual({ type: 'Health', service: 'registry', ok: true });
});

test('a head that does not extend ours is an alarm, at once or when we get there', async () => {
  await using bed = await startRegistry();
  expect(await observe(bed, 'a', { version: 2, id: other, previous: other })).toBe('diverged');
  expect(await observe(bed, 'b', { version: 3, id: other })).toBe('ahead');
  await bed.change([]);
  expect(await bed.metric('registry_divergence_total')).toBe(1);
  await bed.publish(signedBy(nextOf(await bed.held(), bed.blake3), ann, cid));
  expect(await bed.metric('registry_divergence_total')).toBe(2);
});

test('an alarm stands over a restart', async () => {
  const bed = await startRegistry({ engine: 'journal' });
  await observe(bed, 'a', { version: 1, id: other });
  await bed[Symbol.asyncDispose]();
  await using again = await startRegistry({ engine: 'journal', env: bed.env.kill() });
  expect(agreement(again)?.ok).toBe(false);
  expect(await observe(again, 'a', await again.head())).toBe('same');
  expect(agreement(again)?.ok).toBe(true);
});

test('an alarm that cannot be stored is an alarm all the same', async () => {
  await using bed = await startRegistry({ engine: 'journal' });
  bed.env.machineDisk.faults.failNth('sync', 1);
  expect(await observe(bed, 'a', { version: 1, id: other })).toBe('diverged');
  expect(bed.gates().map(({ gate, ok }) => [gate, ok])).toEqual([
    ['registry.head', true],
    ['registry.writable', false],
    ['registry.agreement', false],
  ]);
  expect(bed.errors).toHaveLength(2);
});

test('as many nodes as it says are remembered; a standing alarm is never pushed out', async () => {
  await using bed = await startRegistry();
  const head = await bed.head();
  const max = registryLimits.observedNodesMax;
  for (let count = 0; count < max - 1; count += 1) await observe(bed, `n${count}`, { version: 1, id: other });
  expect(await observe(bed, 'quiet', head)).toBe('same');
  expect(await observe(bed, 'last', { version: 1, id: other })).toBe('diverged');
  expect(await outcomeOf(observe(bed, 'more', head))).toBe('insufficient_storage too_many');
  expect(await observe(bed, 'last', head)).toBe('same');
  expect(await observe(bed, 'more', head)).toBe('same');
});

test('a version whose id is not kept tells nothing', async () => {
  await using bed = await startRegistry();
  await bed.change([], ann, bob);
  await bed.run(bed.table.transact(() => ({ changes: [[`id/${'1'.padStart(16, '0')}`, undefined]], result: 0 })));
  expect(await observe(bed, 'a', { version: 1, id: other })).toBe('unknown');
});
