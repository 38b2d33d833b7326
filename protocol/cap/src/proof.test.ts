import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { blake3 } from '@noble/hashes/blake3.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBase64Url, encodeBase64Url } from './base64url.ts';
import { createProof, parseProof, proofMessage } from './proof.ts';
import { spellingOf } from './scheme.ts';

interface Vectors {
  proof_token: string;
  proof_token_hash: string;
  holder_seed: string;
  nonce: string;
  proofs: { name: string; request: string; at_ms: number; message: string; proof: string; verdict: string }[];
}
const file = new URL('../../../docs/specs/vectors/cap-2.json', import.meta.url);
const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8'));
const der = Buffer.from(`302e020100300506032b657004220420${vectors.holder_seed}`, 'hex');
const holder = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });

describe('the proofs of docs/specs/vectors/cap-2.json', () => {
  const token = vectors.proof_token;
  const tokenHash = blake3(spellingOf(token).bytes);

  test.each(vectors.proofs.filter(({ verdict }) => verdict === 'valid'))(
    '$name',
    async ({ request, message, proof }) => {
      const parsed = parseProof(proof)!;
      expect(Buffer.from(proofMessage(request, parsed, tokenHash)!).toString()).toBe(message);
      expect(message.endsWith(vectors.proof_token_hash)).toBe(true);
      const made = await createProof({
        token,
        request,
        nowMs: parsed.tMs,
        nonce: decodeBase64Url(vectors.nonce)!,
        sign: (bytes) => sign(null, bytes, holder),
        blake3,
      });
      expect(made).toBe(proof);
    },
  );

  test.each(vectors.proofs.filter(({ verdict }) => verdict === 'proof_malformed'))('$name', ({ proof }) => {
    expect(parseProof(proof)).toBeUndefined();
  });
});

test('a proof reads back, and any other text is refused or spelt the same again', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      bytes(16),
      bytes(64),
      fc.string({ unit: 'binary' }),
      (tMs, nonce, signature, noise) => {
        const text = `v1.${tMs}.${encodeBase64Url(nonce)}.${encodeBase64Url(signature)}`;
        const proof = parseProof(text)!;
        expect(proof).toEqual({ tMs, nonce: encodeBase64Url(nonce), signature });
        expect(parseProof(noise)).toBeUndefined();
        expect(parseProof(text + noise) === undefined).toBe(noise !== '');
      },
    ),
  );
});

test('requests that differ give messages that differ, and none holds a line feed', () => {
  const proof = { tMs: 1, nonce: encodeBase64Url(new Uint8Array(16)) };
  const hash = new Uint8Array(32);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (one, other) => {
      const [first, second] = [one, other].map((request) => proofMessage(request, proof, hash));
      if (/[\p{Cc}]/u.test(one) || one === '') expect(first).toBeUndefined();
      else if (second !== undefined && one !== other && one.isWellFormed() && other.isWellFormed())
        expect(first).not.toEqual(second);
    }),
  );
});

test.each([
  ['ron1_AAAA', 'hmac'],
  ['ron1b_AAAA', 'ed25519'],
  [Uint8Array.of(2, 0), 'hmac'],
  [Uint8Array.of(0x12, 0), 'ed25519'],
  [Buffer.from('ron1b_AAAA'), 'ed25519'],
  [Buffer.from('ron1_AAAA'), 'hmac'],
] as const)('%s is spelt as %s', (capability, scheme) => {
  expect(spellingOf(capability).scheme).toBe(scheme);
});

test.each([
  ['', 'cap.prefix'],
  ['ron2_AAAA', 'cap.prefix'],
  ['ron1', 'cap.prefix'],
  ['ron1b_AAAA=', 'cap.base64'],
  ['ron1_A', 'cap.base64'],
  ['ron1_'.padEnd(4097, 'A'), 'cap.size'],
  [new Uint8Array(0), 'cap.prefix'],
  [new Uint8Array(4097), 'cap.size'],
] as const)('%s is refused by the rule %s', (capability, rule) => {
  expect(() => spellingOf(capability)).toThrow(expect.objectContaining({ details: { rule } }));
});
