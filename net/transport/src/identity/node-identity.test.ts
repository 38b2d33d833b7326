import { createSimEnv } from '@ron/kernel/sim';
import { createRamKms } from '@ron/kms';
import { expect, test } from 'vitest';
import { testIdentity } from '../testing/test-nodes.ts';
import { openNodeIdentity, signChannelProof, verifyChannelProof } from './node-identity.ts';

const env = createSimEnv({ seed: 'identity' });
const { work } = env;

test('a node keeps its id as long as its key, and the id is the hash of the raw public key', async () => {
  const kms = createRamKms(env);
  const first = await openNodeIdentity(kms, work);
  expect((await openNodeIdentity(kms, work)).nodeId).toBe(first.nodeId);
  expect(first.nodeId).toBe(Buffer.from(work.blake3(first.publicKey)).toString('hex'));
});

test('a channel proof holds for its node, side and connection alone', async () => {
  const identity = await testIdentity(env);
  const other = await testIdentity(env);
  const channelBinding = env.random.bytes(32);
  const proof = await signChannelProof(identity, 'dialler', channelBinding);
  const expected = { role: 'dialler', channelBinding } as const;
  const { nodeId } = identity;
  expect(verifyChannelProof(proof, { ...expected, nodeId }, work)).toBe(true);
  expect(verifyChannelProof(proof, { ...expected, role: 'acceptor' }, work)).toBe(false);
  expect(verifyChannelProof(proof, { ...expected, channelBinding: env.random.bytes(32) }, work)).toBe(false);
  expect(verifyChannelProof(proof, { ...expected, nodeId: other.nodeId }, work)).toBe(false);
  // The own key, and a name that is another's.
  const liar = await signChannelProof({ ...identity, nodeId: other.nodeId }, 'dialler', channelBinding);
  expect(verifyChannelProof(liar, expected, work)).toBe(false);
  for (const wrong of [
    { role: 'acceptor' as const },
    { nodeId: other.nodeId },
    { publicKey: other.publicKey },
    { publicKey: new Uint8Array(31) },
    { publicKey: other.publicKey, nodeId: other.nodeId },
    { signature: proof.signature.subarray(1) },
    { signature: new Uint8Array(64) },
  ]) {
    const role = wrong.role ?? expected.role;
    expect(verifyChannelProof({ ...proof, ...wrong }, { ...expected, role }, work)).toBe(false);
  }
});
