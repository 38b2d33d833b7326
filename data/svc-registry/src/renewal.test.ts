import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { createRamKms } from '@ron/kms';
import { verifyWithNode } from '@ron/policy';
import { RonError } from '@ron/proto/errors';
import type { AuditEntry } from '@ron/service';
import { createSnapshotClient } from '@ron/signed';
import { expect, test } from 'vitest';
import { createGenesis, createNodeSigner } from './node-signer.ts';
import { ann, type BedOptions, startRegistry } from './testing/test-bed.ts';
import { TestSigner } from './testing/test-signer.ts';

const day = 86_400_000;
const headGate = 'registry.head';

async function lone(options: BedOptions = {}, env: SimEnv = createSimEnv({ seed: 7 }), kms = createRamKms(env)) {
  const nodeSigner = await createNodeSigner({ kms });
  const { roots, text } = await createGenesis({ env, kms });
  const { engines, ...rest } = options;
  const bed = await startRegistry({
    env,
    engines: { roots, nodeSigner, genesis: async () => text, ...engines },
    ...rest,
  });
  const gate = () => bed.gates().find(({ gate: name }) => name === headGate);
  return { bed, kms, roots, gate };
}

test('a node that is the only signer signs the same again when a third of the time is left, and stays ready for years', async () => {
  const { bed, roots, gate } = await lone();
  await using _ = bed;
  const client = createSnapshotClient({
    trusted: roots,
    verify: verifyWithNode,
    blake3: bed.blake3,
    now: () => bed.env.clock.wallMs(),
  });
  client.accept(await bed.snapshotText(1));
  await bed.pass(59 * day);
  expect(await bed.head()).toMatchObject({ version: 1 });
  await bed.pass(2 * day);
  const { version, issued_at, expires_at } = await bed.head();
  expect([version, expires_at - issued_at]).toEqual([2, 90 * day]);
  for (let year = 0; year < 2; year += 1) {
    await bed.pass(365 * day);
    expect(gate()).toEqual({ gate: headGate, ok: true });
    const newest = (await bed.head()).version;
    const texts = [];
    for (let next = client.held!.snapshot.version + 1; next <= newest; next += 1)
      texts.push(await bed.snapshotText(next));
    expect(client.accept(texts)).toMatchObject({ outcome: 'accepted', version: newest });
  }
  const { version: _v, previous: _p, issued_at: _i, expires_at: _e, ...content } = await bed.held();
  const { version: _1, issued_at: _2, expires_at: _3, ...first } = JSON.parse(await bed.snapshotText(1)).document;
  expect(content).toEqual(first);
});

test('a node that was off until its snapshot had expired renews it at the start', async () => {
  const env = createSimEnv({ seed: 7 });
  const { bed, kms } = await lone({ engine: 'journal' }, env);
  await bed[Symbol.asyncDispose]();
  await env.scheduler.runFor(100 * day);
  const later = await lone({ engine: 'journal' }, env, kms);
  await using _ = later.bed;
  expect([await later.bed.head(), later.gate()]).toMatchObject([{ version: 2 }, { ok: true }]);
});

test('a clock that is years ahead makes no snapshot that nothing may follow', async () => {
  const env = createSimEnv({ seed: 7 });
  const { bed, kms } = await lone({ engine: 'journal' }, env);
  await bed[Symbol.asyncDispose]();
  await env.scheduler.runFor((90 + 400) * day + 1);
  const later = await lone({ engine: 'journal' }, env, kms);
  await using _ = later.bed;
  await later.bed.pass(2 * day);
  expect([await later.bed.head(), later.gate()]).toMatchObject([{ version: 1 }, { ok: false }]);
  expect(later.bed.errors).toContain('the registry expired long ago: not renewed without a person');
});

test('it does not with another signer, when it is told not to, or when it is not the signer', async () => {
  const env = createSimEnv({ seed: 7 });
  const kms = createRamKms(env);
  const nodeSigner = await createNodeSigner({ kms });
  for (const options of [
    { config: { renew_alone: false } },
    { engines: { nodeSigner: await createNodeSigner({ kms: createRamKms(createSimEnv({ seed: 8 })) }) } },
  ]) {
    const { bed, gate } = await lone(options, env, kms);
    await bed.pass(91 * day);
    expect([await bed.head(), gate()]).toMatchObject([{ version: 1 }, { ok: false }]);
    await bed[Symbol.asyncDispose]();
  }
  // One before and one after the node in the order of the list.
  for (const other of [ann, new TestSigner('zoe')]) {
    const { bed } = await lone({}, env, kms);
    await using _ = bed;
    const signers = [...nodeSigner.signers(), other.signer].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const { proposal } = await bed.propose([{ signers, threshold: 1 } as never]);
    await bed.run(bed.peer.approve({ proposal, as_node: true }));
    await bed.commit(proposal);
    await bed.pass(91 * day);
    expect(await bed.head()).toMatchObject({ version: 2 });
  }
});

test('a renewal is written down before and after; while it cannot be, there is none, and it is tried again', async () => {
  const kept: AuditEntry[] = [];
  let full = true;
  const audit = {
    record: async (entry: AuditEntry) => {
      if (full) throw new RonError('unavailable', 'the audit log cannot be written');
      kept.push(entry);
      return { index: kept.length, proof: async () => '' };
    },
  };
  const { bed } = await lone({ engines: { audit } });
  await using _ = bed;
  await bed.pass(61 * day);
  expect([(await bed.head()).version, bed.errors.length > 0]).toEqual([1, true]);
  full = false;
  await bed.pass(61_000);
  const { version, id } = await bed.head();
  expect(version).toBe(2);
  expect(kept.map(({ op, outcome, fields }) => [op, outcome, fields['id']])).toEqual([
    ['registry.renew', 'intent', id],
    ['registry.renew', 'ok', id],
  ]);
});

test('a store whose head is gone is not begun again: that would be a fork', async () => {
  const env = createSimEnv({ seed: 7 });
  const { bed } = await lone();
  await bed.table.transact(() => ({ changes: [['head', undefined]], result: undefined }));
  const { table } = bed;
  await expect(startRegistry({ env, engines: { table } })).rejects.toThrow('its head is gone');
  await bed[Symbol.asyncDispose]();
});
