import { generateKeyPairSync, verify } from 'node:crypto';
import { hash } from '@ron/b3';
import { parseProof, proofMessage, spellingOf } from '@ron/cap';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../connect.ts';
import { capabilityIdAt, capabilityUntil } from '../testing/fake-passports.ts';
import { connect as connectInNode, proofKeyOf } from './index.ts';
import { startHttpNode } from './testing/http-node.ts';

const capability = capabilityUntil(5_000_000_000_000, capabilityIdAt(1_000_000, 1));

test.each([
  ['fetch', connect],
  ['node:http', connectInNode],
])('over %s every request has a proof of its own, signed over what was sent', async (_name, open) => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const node = await startHttpNode(onTestFinished, () => ({ json: { names: [] } }));
  await using client = open({ url: node.url, capability, key: proofKeyOf(privateKey) });
  const beforeMs = Date.now();
  for await (const _record of client.names.list('a&b'));
  await client.caps.whoami();
  const proofs = node.requests.map(({ method, target, headers }) => {
    const proof = parseProof(String(headers['ron-proof']))!;
    expect(proof.tMs).toBeGreaterThanOrEqual(beforeMs);
    const message = proofMessage(`${method} ${target}`, proof, hash(spellingOf(capability).bytes))!;
    expect(verify(null, message, publicKey, proof.signature)).toBe(true);
    const other = proofMessage('GET /elsewhere', proof, hash(spellingOf(capability).bytes))!;
    expect(verify(null, other, publicKey, proof.signature)).toBe(false);
    return proof.nonce;
  });
  expect(node.requests.map(({ target }) => target)).toEqual(['/names?prefix=a%26b', '/passport/whoami']);
  expect(new Set(proofs).size).toBe(2);
});

test('without a key there is no proof, and a call without a capability has none either', async () => {
  const node = await startHttpNode(onTestFinished, () => ({ json: {} }));
  await using client = connect({ url: node.url, capability });
  await client.caps.whoami();
  const { privateKey } = generateKeyPairSync('ed25519');
  await using bound = connect({ url: node.url, capability, key: proofKeyOf(privateKey) });
  await bound.passport.bootstrap({ secret: 's', subject: 'alice' });
  for (const { headers } of node.requests) expect(headers['ron-proof']).toBeUndefined();
  expect(node.requests[1]!.headers.authorization).toBeUndefined();
});

test('only an Ed25519 private key makes proofs', () => {
  const { publicKey } = generateKeyPairSync('ed25519');
  const { privateKey } = generateKeyPairSync('x25519');
  expect(() => proofKeyOf(publicKey)).toThrow(TypeError);
  expect(() => proofKeyOf(privateKey)).toThrow(TypeError);
});
