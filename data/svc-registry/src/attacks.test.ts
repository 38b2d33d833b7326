import type { Snapshot } from '@ron/proto/registry';
import { describe, expect, test } from 'vitest';
import { ann, type Bed, bob, cid, dan, outcomeOf, startRegistry, stranger } from './testing/test-bed.ts';
import { listOf, nextOf, signedBy } from './testing/test-signer.ts';

/** Every attack leaves the head as it is, is counted once by its reason, and is told to the caller with its code. */
async function attacked(bed: Bed, text: string): Promise<string> {
  const before = await bed.head();
  const outcome = await outcomeOf(bed.publish(text));
  expect(await bed.head()).toEqual(before);
  const [, reason] = outcome.split(' ');
  if (outcome !== 'taken') expect(await bed.metric('registry_refused_total', { reason: reason! })).toBeGreaterThan(0);
  return outcome;
}

describe('a snapshot from outside', () => {
  const cases: readonly [what: string, make: (bed: Bed, next: Snapshot) => string, outcome: string][] = [
    ['unsigned', (_bed, next) => signedBy(next), 'forbidden unsigned'],
    ['differently signed', (_bed, next) => signedBy(next, stranger, dan), 'forbidden under_signed'],
    ['signed by too few', (_bed, next) => signedBy(next, ann), 'forbidden under_signed'],
    [
      'signed for another document',
      (bed, next) => swapped(next, signedBy(bed.first, ann, bob)),
      'forbidden under_signed',
    ],
    ['older', (bed) => signedBy({ ...bed.first, threshold: 1 }, ann, bob), 'conflict rollback'],
    [
      'expired',
      (bed, next) => signedBy({ ...next, expires_at: bed.env.clock.wallMs() }, ann, bob),
      'forbidden expired',
    ],
    ['a fork of the head', (_bed, next) => signedBy({ ...next, version: 2 }, ann, bob), 'conflict fork'],
    ['on a fork', (_bed, next) => signedBy({ ...next, previous: `b3:${'0'.repeat(64)}` }, ann, bob), 'conflict fork'],
    ['with a gap', (_bed, next) => signedBy({ ...next, version: 4 }, ann, bob), 'conflict gap'],
    ['not a snapshot', () => '{"document":{"type":"ron-policy"},"signatures":[]}', 'bad_request malformed'],
    ['not JSON', () => 'hello', 'bad_request malformed'],
    [
      'with signers of its own',
      (_bed, next) => signedBy({ ...next, signers: listOf(dan), threshold: 1 }, dan),
      'forbidden under_signed',
    ],
  ];

  test.each(cases)('%s is refused', async (_what, make, outcome) => {
    await using bed = await startRegistry();
    await bed.pass(1_000);
    await bed.change([]);
    await bed.pass(1_000);
    const next = nextOf(await bed.held(), bed.blake3);
    expect(await attacked(bed, make(bed, next))).toBe(outcome);
  });

  test('signed by a signer who was revoked is refused', async () => {
    await using bed = await startRegistry();
    await bed.change([{ revoke_signer: 'bob' }], ann, cid);
    const next = nextOf(await bed.held(), bed.blake3);
    expect(await attacked(bed, signedBy(next, ann, bob))).toBe('forbidden revoked_signer');
    expect(await attacked(bed, signedBy({ ...next, revoked_signers: [] }, ann, cid))).toBe('forbidden unrevoked');
  });

  test('well signed is taken, and the same again changes nothing', async () => {
    await using bed = await startRegistry();
    const text = signedBy(nextOf(bed.first, bed.blake3), bob, cid);
    const head = await bed.publish(text);
    expect(head).toMatchObject({ version: 2 });
    expect(await bed.snapshotText(2)).toBe(text);
    expect(await bed.publish(text)).toEqual(head);
  });
});

test('a first snapshot that the roots did not sign, or that has expired, starts nothing', async () => {
  const now = Date.UTC(2026, 0, 1);
  const start = (text: (first: Snapshot) => string, first: Partial<Snapshot> = {}) =>
    startRegistry({
      genesis: () => first,
      engines: { genesis: async () => text({ ...(await firstOf()), ...first }) },
    });
  expect(await outcomeOf(start((first) => signedBy(first)))).toBe('forbidden unsigned');
  expect(await outcomeOf(start((first) => signedBy(first, ann)))).toBe('forbidden under_signed');
  expect(await outcomeOf(start((first) => signedBy(first, dan, stranger)))).toBe('forbidden under_signed');
  const old = { issued_at: now - 10, expires_at: now };
  expect(await outcomeOf(start((first) => signedBy(first, ann, bob), old))).toBe('forbidden expired');
});

test.each([1, 2])('a store whose version %i was changed is not opened', async (version) => {
  const bed = await startRegistry({ engine: 'journal' });
  await bed.change([{ set: { id: 'node/two', kind: 'micronode' } }]);
  const key = `snapshot/${String(version).padStart(16, '0')}`;
  const text = (bed.table.get(key) as string).replace('node/one', 'node/six');
  await bed.run(bed.table.transact(() => ({ changes: [[key, text]], result: 0 })));
  await bed[Symbol.asyncDispose]();
  await expect(startRegistry({ engine: 'journal', env: bed.env.kill() })).rejects.toThrow(`version ${version}`);
});

test('a store whose newest step lost its signatures is not opened', async () => {
  const bed = await startRegistry({ engine: 'journal' });
  await bed.change([{ set: { id: 'node/two', kind: 'micronode' } }]);
  const key = `snapshot/${'2'.padStart(16, '0')}`;
  const { document } = JSON.parse(bed.table.get(key) as string) as { document: Snapshot };
  await bed.run(bed.table.transact(() => ({ changes: [[key, signedBy(document, ann)]], result: 0 })));
  await bed[Symbol.asyncDispose]();
  const again = startRegistry({ engine: 'journal', env: bed.env.kill() });
  await expect(again).rejects.toMatchObject({ details: { reason: 'under_signed' } });
});

async function firstOf(): Promise<Snapshot> {
  await using bed = await startRegistry();
  return bed.first;
}

function swapped(document: Snapshot, signed: string): string {
  const { signatures } = JSON.parse(signed) as { signatures: unknown };
  return JSON.stringify({ document, signatures });
}
