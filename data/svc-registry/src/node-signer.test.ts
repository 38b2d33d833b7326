import { createSimEnv } from '@ron/kernel/sim';
import { createRamKms } from '@ron/kms';
import { expect, test } from 'vitest';
import { addKeys, createGenesis, createNodeSigner } from './node-signer.ts';
import { outcomeOf, startRegistry } from './testing/test-bed.ts';

test('a node that stands alone makes its first snapshot and signs what follows', async () => {
  const env = createSimEnv({ seed: 7 });
  const kms = createRamKms(env);
  const nodeSigner = await createNodeSigner({ kms });
  const { roots, text } = await createGenesis({ env, kms });
  await using bed = await startRegistry({ env, engines: { roots, nodeSigner, genesis: async () => text } });
  const { proposal } = await bed.propose([{ set: { id: 'region/eu', kind: 'region' } }]);
  const approved = await bed.run(bed.peer.approve({ proposal, as_node: true }));
  expect(approved).toMatchObject({ approvals: 1, ready: true, approved_by: [nodeSigner.signers()[0]!.name] });
  expect(await bed.commit(proposal)).toMatchObject({ version: 2 });
});

test('its keys are made once, and one that is missing its partner gets one', async () => {
  const kms = createRamKms(createSimEnv({ seed: 7 }));
  await kms.createKey({ tenant: 'node', purpose: 'registry', alg: 'ed25519' });
  const one = await createNodeSigner({ kms });
  const two = await createNodeSigner({ kms });
  expect(one.signers()).toHaveLength(1);
  expect(two.signers()).toEqual(one.signers());
});

test('a second pair of keys takes over by a change of signers', async () => {
  const env = createSimEnv({ seed: 7 });
  const kms = createRamKms(env);
  const nodeSigner = await createNodeSigner({ kms });
  const { roots, text } = await createGenesis({ env, kms });
  await using bed = await startRegistry({ env, engines: { roots, nodeSigner, genesis: async () => text } });
  await addKeys(kms);
  const [, next] = nodeSigner.signers();
  const change = { signers: [next!].map(({ name, keys }) => ({ name, keys })), threshold: 1 };
  const { proposal } = await bed.propose([change as never]);
  expect(await bed.run(bed.peer.approve({ proposal, as_node: true }))).toMatchObject({ ready: true, new_approvals: 1 });
  await bed.commit(proposal);
  expect((await bed.held()).signers).toEqual([next]);
});

test('a node that does not sign says so', async () => {
  const kms = createRamKms(createSimEnv({ seed: 8 }));
  await using bed = await startRegistry({ engines: { nodeSigner: await createNodeSigner({ kms }) } });
  const { proposal } = await bed.propose([]);
  expect(await outcomeOf(bed.run(bed.peer.approve({ proposal, as_node: true })))).toBe('forbidden unknown_signer');
});
