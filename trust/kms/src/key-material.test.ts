import { createHmac, createPublicKey, hkdfSync, sign, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import type { KeyAlgorithm } from './key-id.ts';
import { exportKey, identifyingBytes, importKey } from './key-material.ts';
import { KeyRing } from './key-ring.ts';
import { KeyWork } from './key-work.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const random = { bytes: (length: number) => new Uint8Array(length).fill(3), unit: () => 0.5 };

function holding(alg: KeyAlgorithm, secret: Uint8Array) {
  const kid = `node/test/${alg}/0192f3a0-0000-7000-8000-000000000001#1`;
  const ring = new KeyRing();
  ring.add({ kid, createdAtMs: 0, state: 'active', secret });
  return { kid, ring, work: new KeyWork(ring, random) };
}

test('the seed of RFC 8032 test 1 gives its public key and signature, and is overwritten', () => {
  const seed = hex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
  const { kid, ring, work } = holding('ed25519', seed);
  expect(seed.every((byte) => byte === 0)).toBe(true);
  expect(Buffer.from(work.publicKey(kid)).toString('hex')).toBe(
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  );
  expect(Buffer.from(work.sign(kid, new Uint8Array(0))).toString('hex')).toBe(
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  );
  expect(Buffer.from(ring.stored()[0]!.secret!).toString('hex')).toMatch(/^9d61b19deffd5a60/);
});

test('the ML-DSA-65 seed of RFC 9881 gives the public key of its example', () => {
  const { kid, work } = holding(
    'ml-dsa-65',
    Uint8Array.from({ length: 32 }, (_, index) => index),
  );
  const publicKey = work.publicKey(kid);
  expect(publicKey).toHaveLength(1_952);
  expect(Buffer.from(publicKey).toString('hex')).toMatch(/^48683d91978e31eb3dddb8b0473482d2b88a5f625949fd8f58a561e6/);
  const signature = work.sign(kid, hex('00'));
  expect(signature).toHaveLength(3_309);
  const imported = createPublicKey({
    key: Buffer.from(publicKey),
    format: 'raw-public',
    asymmetricKeyType: 'ml-dsa-65',
  });
  expect(verify(null, hex('00'), imported, signature)).toBe(true);
});

test('a tag is the truncated 512-bit HMAC of the key', () => {
  const { kid, work } = holding('hmac', new Uint8Array(32).fill(9));
  const expected = createHmac('sha512-256', new Uint8Array(32).fill(9)).update('message').digest();
  expect(work.mac(kid, Buffer.from('message'))).toEqual(expected);
});

test('derived bytes are HKDF under a salt of their own', () => {
  const { kid, work } = holding('hmac', new Uint8Array(32).fill(9));
  const expected = hkdfSync('sha512', new Uint8Array(32).fill(9), 'ron-kms derive v1', 'info', 64);
  expect(Buffer.from(work.derive(kid, Buffer.from('info'), 64).bytes())).toEqual(Buffer.from(expected));
});

test('wrapped bytes belong to one key id, even where another holds the same secret', () => {
  const uuids = ['0192f3a0-0000-7000-8000-000000000001', '0192f3a0-0000-7000-8000-000000000002'];
  const ring = new KeyRing();
  const kids = uuids.map((uuid) => `acme/test/aes-256-gcm/${uuid}#1`);
  for (const kid of kids) ring.add({ kid, createdAtMs: 0, state: 'active', secret: new Uint8Array(32).fill(9) });
  const work = new KeyWork(ring, random);
  const wrapped = work.wrap(kids[0]!, hex('00'), hex(''));
  expect(work.unwrap(kids[0]!, wrapped, hex('')).bytes()).toEqual(hex('00'));
  expect(() => work.unwrap(kids[1]!, wrapped, hex(''))).toThrow(/do not open/);
});

test.each(['ed25519', 'ml-dsa-65', 'hmac', 'aes-256-gcm'] as const)('a key of %s goes in and comes out', (alg) => {
  const secret = Uint8Array.from({ length: 32 }, (_, index) => 200 - index);
  const material = importKey(alg, secret);
  expect(new Uint8Array(exportKey(alg, material.key))).toEqual(secret);
  for (const length of [31, 33]) expect(() => importKey(alg, new Uint8Array(length))).toThrow('malformed key');
  expect(Buffer.from(identifyingBytes(alg, material)).includes(Buffer.from(secret))).toBe(false);
  if (material.publicKey !== undefined) {
    expect(verify(null, secret, material.publicKey, sign(null, secret, material.key))).toBe(true);
  }
});
