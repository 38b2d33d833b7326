import { createRamTable } from '@ron/journal';
import { type Descriptor, registryLimits as limit, type RegistryChange, type Snapshot } from '@ron/proto/registry';
import { parseSignedSnapshot, parseSnapshot } from '@ron/signed';
import { expect, test } from 'vitest';
import { signaturesBytes } from './changes.ts';
import { recordHead } from './history.ts';
import { historyCharactersMax, type RegistryRow, registryTableLimits, snapshotKey, snapshotPrefix } from './rows.ts';
import { ann, type Bed, bob, cid, genesisOf, outcomeOf, startRegistry } from './testing/test-bed.ts';
import { TestSigner } from './testing/test-signer.ts';

const setOf = (descriptor: Partial<Descriptor>): RegistryChange => ({
  set: { id: 'node/x', kind: 'micronode', ...descriptor },
});
/** One below, at and one above a limit. */
async function around(max: number, attempt: (size: number) => Promise<string>): Promise<string[]> {
  const outcomes = [];
  for (const size of [max - 1, max, max + 1]) outcomes.push(await attempt(size));
  return outcomes;
}
const proposing = (bed: Bed, change: (size: number) => RegistryChange[]) => (size: number) =>
  outcomeOf(bed.propose(change(size)));

test('meta, endpoints, keys and changes', async () => {
  await using bed = await startRegistry();
  const empty = '{"x":""}'.length;
  const meta = proposing(bed, (size) => [setOf({ meta: { x: 'é'.repeat(10) + 'x'.repeat(size - empty - 20) } })]);
  expect(await around(limit.metaBytesMax, meta)).toEqual(['taken', 'taken', 'payload_too_large too_large']);
  const endpoints = proposing(bed, (size) => [
    setOf({ endpoints: Array.from({ length: size }, (_, at) => `tcp://${at}`) }),
  ]);
  expect(await around(limit.endpointsMax, endpoints)).toEqual(['taken', 'taken', 'bad_request']);
  const keys = proposing(bed, (size) => [
    setOf({ keys: Object.fromEntries(Array.from({ length: size }, (_, at) => [`k${at}`, 'AAAA'])) }),
  ]);
  expect(await around(limit.keysMax, keys)).toEqual(['taken', 'taken', 'bad_request']);
  const changes = proposing(bed, (size) => Array.from({ length: size }, (_, at) => setOf({ id: `node/${at}` })));
  expect(await around(limit.changesMax, changes)).toEqual(['taken', 'taken', 'bad_request']);
});

test('validity', async () => {
  await using bed = await startRegistry();
  const validity = (size: number) => outcomeOf(bed.propose([], { expires_at: bed.env.clock.wallMs() + size }));
  expect(await around(limit.validityMaxMs, validity)).toEqual(['taken', 'taken', 'bad_request malformed']);
  expect(await around(1, validity)).toEqual(['bad_request expired', 'taken', 'taken']);
});

test('signers and revoked signers', () => {
  const first = genesisOf(0);
  const many = (count: number) =>
    Array.from({ length: count }, (_, at) => new TestSigner(`s${String(at).padStart(3, '0')}`, false).signer);
  const all = many(limit.signersMax + 1);
  const parses = (change: Partial<Snapshot>) =>
    outcomeOf(Promise.resolve().then(() => parseSnapshot({ ...first, ...change })));
  const signers = (size: number) => parses({ signers: all.slice(0, size), threshold: size });
  const key = ({ keys }: Snapshot['signers'][number]) => keys.ed25519;
  const revoked = (size: number) =>
    parses({
      revoked_signers: Array.from({ length: size }, (_, at) => ({
        name: `r${String(at).padStart(3, '0')}`,
        key: key(all[0]!),
      })),
    });
  return Promise.all([around(limit.signersMax, signers), around(limit.revokedMax, revoked)]).then((outcomes) => {
    for (const each of outcomes) expect(each).toEqual(['taken', 'taken', 'payload_too_large too_large']);
  });
});

test('descriptors', async () => {
  const first = genesisOf(0);
  const descriptors = (size: number) =>
    outcomeOf(
      Promise.resolve().then(() =>
        parseSnapshot({
          ...first,
          descriptors: Array.from({ length: size }, (_, at) => ({
            id: `node/${String(at).padStart(5, '0')}`,
            kind: 'x',
          })),
        }),
      ),
    );
  expect(await around(limit.descriptorsMax, descriptors)).toEqual(['taken', 'taken', 'payload_too_large too_large']);
});

test('open proposals; what is stale gives way, what is open does not', async () => {
  await using bed = await startRegistry();
  const propose = (at: number) => outcomeOf(bed.propose([setOf({ id: `node/${at}` })]));
  for (let count = 1; count < limit.proposalsMax - 1; count += 1) await propose(count);
  expect(await around(limit.proposalsMax, propose)).toEqual(['taken', 'taken', 'insufficient_storage too_many']);
  // The same document again is the proposal that is there.
  expect(await propose(1)).toBe('taken');
  const { proposals } = await bed.run(bed.peer.proposals({}));
  await bed.approve(proposals[0]!.proposal, ann, bob);
  await bed.commit(proposals[0]!.proposal);
  expect(await propose(1_000)).toBe('taken');
  expect(await propose(1_001)).toBe('taken');
});

test('a signed snapshot: a proposal is taken when it fits with all its signatures', async () => {
  await using bed = await startRegistry();
  const meta = (size: number) => ({ meta: { x: 'x'.repeat(size) } });
  await bed.change(Array.from({ length: 252 }, (_, at) => setOf({ id: `node/f${at}`, ...meta(4_005) })));
  const ending = (size: number) => bed.propose([setOf({ id: 'node/last', ...meta(size) })]);
  const { bytes, proposal } = await ending(0);
  await bed.approve(proposal, ann, bob, cid);
  const room = limit.signedBytesMax - bytes - signaturesBytes(genesisOf(0).signers);
  expect(await around(room, (size) => outcomeOf(ending(size)))).toEqual([
    'taken',
    'taken',
    'payload_too_large too_large',
  ]);
  const largest = await ending(room);
  await bed.approve(largest.proposal, ann, bob, cid);
  await bed.commit(largest.proposal);
  const { length } = await bed.snapshotText(3);
  expect(length).toBeLessThanOrEqual(limit.signedBytesMax);
  expect(length).toBeGreaterThan(limit.signedBytesMax - 1_024);
});

test('the history keeps the first, and as many of the newest as it may', async () => {
  await using bed = await startRegistry({ config: { history_snapshots_max: 3 } });
  for (let count = 0; count < 5; count += 1) await bed.change([]);
  const kept = [...bed.table.entries(snapshotPrefix)].map(([key]) => key).sort();
  expect(kept).toEqual([1, 4, 5, 6].map(snapshotKey));
  expect(await outcomeOf(bed.run(bed.peer.snapshot({ version: 3 })))).toBe('not_found');
  expect(await bed.snapshotText(4)).toContain('"version":4');
});

test('the history has a bound of characters too', async () => {
  const table = createRamTable<RegistryRow>(registryTableLimits);
  const text = 'x'.repeat(historyCharactersMax / 4);
  const signed = parseSignedSnapshot(
    JSON.stringify({ document: { ...genesisOf(0), version: 7, previous: `b3:${'0'.repeat(64)}` }, signatures: [] }),
  );
  for (const version of [1, 2, 3, 4, 5, 6]) {
    await table.transact(() => ({ changes: [[snapshotKey(version), text]], result: 0 }));
  }
  const { changes } = recordHead(table, 'id', signed, 1_000);
  expect(changes.filter(([, value]) => value === undefined).map(([key]) => key)).toEqual([3, 2].map(snapshotKey));
});
