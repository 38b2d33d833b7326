import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { importPublicKey, verifyRaw } from './raw-signature.ts';

const cases = (['ed25519', 'ml-dsa-65'] as const).map((alg) => {
  const { publicKey, privateKey } = generateKeyPairSync(alg as 'ed25519');
  const raw = new Uint8Array(publicKey.export({ format: 'raw-public' }));
  return { alg, raw, publicKey, sign: (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey)) };
});
const other = { ed25519: 'ml-dsa-65', 'ml-dsa-65': 'ed25519' } as const;
const messages = fc.uint8Array({ minLength: 1, maxLength: 64 });

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const at = bit % (bytes.byteLength * 8);
  return bytes.map((byte, index) => (index === at >> 3 ? byte ^ (1 << (at & 7)) : byte));
}

test.each(cases)('$alg: a signature holds, and not with any bit of it, its key or its message flipped', (by) => {
  fc.assert(
    fc.property(messages, fc.nat(), (message, bit) => {
      const signature = by.sign(message);
      expect(verifyRaw(by.alg, by.raw, message, signature)).toBe(true);
      expect(verifyRaw(by.alg, by.raw, message, flipped(signature, bit))).toBe(false);
      expect(verifyRaw(by.alg, by.raw, flipped(message, bit), signature)).toBe(false);
      expect(verifyRaw(by.alg, flipped(by.raw, bit), message, signature)).toBe(false);
    }),
    { numRuns: 50 },
  );
});

test.each(cases)('$alg: a key or a signature of another length is false', (by) => {
  const message = new Uint8Array(3);
  const signature = by.sign(message);
  const lengths = (bytes: Uint8Array) => [
    new Uint8Array(0),
    bytes.subarray(1),
    bytes.slice(0, -1),
    Buffer.concat([bytes, message]),
  ];
  for (const each of lengths(by.raw)) {
    expect(verifyRaw(by.alg, each, message, signature)).toBe(false);
    expect(() => importPublicKey(by.alg, each)).toThrow('malformed public key');
  }
  for (const each of lengths(signature)) expect(verifyRaw(by.alg, by.raw, message, each)).toBe(false);
});

test.each(cases)('$alg: another algorithm, known or not, is false', (by) => {
  const message = new Uint8Array(3);
  const signature = by.sign(message);
  for (const alg of [other[by.alg], 'hmac', 'toString'] as 'ed25519'[]) {
    expect(verifyRaw(alg, by.raw, message, signature)).toBe(false);
  }
});

test.each(cases)('$alg: bytes of the right lengths that nobody made are false', ({ alg, raw, sign: make }) => {
  const signatureBytes = make(raw).byteLength;
  for (const fill of [2, 255]) {
    const [key, signature] = [raw.byteLength, signatureBytes].map((length) => new Uint8Array(length).fill(fill));
    expect(verifyRaw(alg, key!, raw, signature!)).toBe(false);
  }
});

test.each(cases)('$alg: an imported key is the key whose bytes it was', ({ alg, raw, publicKey }) => {
  expect(importPublicKey(alg, raw).equals(publicKey)).toBe(true);
});
