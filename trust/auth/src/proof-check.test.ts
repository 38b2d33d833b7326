import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createProof, encodeBase64Url, proofWindowMs, spellingOf } from '@ron/cap';
import { beforeEach, describe, expect, test } from 'vitest';
import { rawPublicKey } from './ed25519.ts';
import { type Bench, createBench, everything } from './fixtures/bench.ts';
import { biscuitHands, hmacHands, type SchemeHands } from './fixtures/schemes.ts';
import { noncesMax, ProofCheck } from './proof-check.ts';

const request = 'GET /n/docs/readme?page=2';

let bench: Bench;
let holder: KeyObject;
let key: string;
beforeEach(async () => {
  bench = await createBench();
  holder = generateKeyPairSync('ed25519').privateKey;
  key = encodeBase64Url(rawPublicKey(holder));
});

interface Changes {
  readonly request?: string;
  readonly atMs?: number;
  readonly by?: KeyObject;
  readonly nonce?: Uint8Array;
}
const prove = (token: string | Uint8Array, changes: Changes = {}) =>
  createProof({
    token,
    request: changes.request ?? request,
    nowMs: changes.atMs ?? bench.env.clock.wallMs(),
    nonce: changes.nonce ?? bench.env.random.bytes(16),
    sign: (message) => sign(null, message, changes.by ?? holder),
    blake3: (bytes) => bench.env.work.blake3(bytes),
  });

describe.each(['hmac', 'ed25519'] as const)('a capability that is bound to a key, scheme %s', (scheme) => {
  let token: string;
  let hands: SchemeHands;
  beforeEach(async () => {
    hands = scheme === 'hmac' ? hmacHands : biscuitHands(bench.env.random);
    token = (await bench.authority.issue({ subject: 'svc', rights: everything, scheme, key })).token;
  });

  test('needs a proof for each request, the first and the next', async () => {
    expect(await bench.verdict(token)).toBe('proof_missing');
    expect(await bench.verdict(token, { request })).toBe('proof_missing');
    for (const use of [1, 2, 3]) {
      expect(await bench.verdict(token, { proof: await prove(token), request }), String(use)).toBe('accepted');
      expect(await bench.verdict(token, { request })).toBe('proof_missing');
    }
    const principal = await bench.authority.verify(token, { remote: '::1', proof: await prove(token), request });
    expect(principal.view().key).toBe(key);
  });

  test('does not depend on how the token is spelt', async () => {
    const { bytes } = spellingOf(token);
    expect(await bench.verdict(bytes, { proof: await prove(token), request })).toBe('accepted');
    expect(await bench.verdict(token, { proof: await prove(bytes), request })).toBe('accepted');
    expect(await bench.verdict(Buffer.from(token), { proof: await prove(bytes), request })).toBe('accepted');
  });

  test('a proof counts once', async () => {
    const proof = await prove(token);
    for (const expected of ['accepted', 'proof_replayed', 'proof_replayed']) {
      expect(await bench.verdict(token, { proof, request })).toBe(expected);
    }
    const nonce = bench.env.random.bytes(16);
    expect(await bench.verdict(token, { proof: await prove(token, { nonce }), request })).toBe('accepted');
    const later = await prove(token, { nonce, atMs: bench.env.clock.wallMs() + 1 });
    expect(await bench.verdict(token, { proof: later, request })).toBe('proof_replayed');
  });

  test('a proof is for one request, one token and one key', async () => {
    for (const other of ['GET /n/docs/readme', 'POST /n/docs/readme?page=2', 'index/resolve', `${request} `, '']) {
      const expected = other === '' ? 'proof_malformed' : 'proof_wrong';
      expect(await bench.verdict(token, { proof: await prove(token), request: other }), other).toBe(expected);
    }
    const child = hands.attenuate(token, [{ nbf: 0 }]);
    expect(await bench.verdict(child, { proof: await prove(token), request })).toBe('proof_wrong');
    expect(await bench.verdict(child, { proof: await prove(child), request })).toBe('accepted');
    const thief = generateKeyPairSync('ed25519').privateKey;
    expect(await bench.verdict(token, { proof: await prove(token, { by: thief }), request })).toBe('proof_wrong');
  });

  test('the binding cannot be appended away, and a holder can add one', async () => {
    const child = hands.attenuate(token, [{ rights: everything }]);
    expect(await bench.verdict(child)).toBe('proof_missing');
    const free = (await bench.authority.issue({ subject: 'a', rights: everything, scheme })).token;
    expect(await bench.verdict(free)).toBe('accepted');
    const bound = hands.attenuate(free, [{ key }]);
    expect(await bench.verdict(bound)).toBe('proof_missing');
    expect(await bench.verdict(bound, { proof: await prove(bound), request })).toBe('accepted');
  });

  test('what is refused for another reason uses no nonce up', async () => {
    const local = hands.attenuate(token, [{ cidr: ['10.0.0.0/8'] }]);
    const proof = await prove(local);
    expect(await bench.verdict(local, { proof, request })).toBe('wrong_address');
    expect(await bench.verdict(local, { proof, request: 'GET /other', remote: '10.0.0.1' })).toBe('proof_wrong');
    expect(await bench.verdict(local, { proof, request, remote: '10.0.0.1' })).toBe('accepted');
  });

  test('a token that is bound to no key ignores proofs', async () => {
    const free = (await bench.authority.issue({ subject: 'a', rights: everything, scheme })).token;
    expect(await bench.verdict(free, { proof: 'nonsense', request })).toBe('accepted');
  });
});

describe('a proof', () => {
  let token: string;
  beforeEach(() => {
    token = bench.authority.mint({ subject: 'svc', rights: everything, key });
  });

  test.each([
    [-proofWindowMs - 1, 'proof_expired'],
    [-proofWindowMs, 'accepted'],
    [proofWindowMs, 'accepted'],
    [proofWindowMs + 1, 'proof_expired'],
  ])('made %i ms away from the clock is %s', async (awayMs, expected) => {
    const proof = await prove(token, { atMs: bench.env.clock.wallMs() + awayMs });
    expect(await bench.verdict(token, { proof, request })).toBe(expected);
  });

  test('has one spelling', async () => {
    const proof = await prove(token);
    const [version, time, nonce, signature] = proof.split('.') as [string, string, string, string];
    const others = [
      '',
      `v2.${time}.${nonce}.${signature}`,
      `${version}.0${time}.${nonce}.${signature}`,
      `${version}.+${time}.${nonce}.${signature}`,
      `${version}.${time}.0.${nonce}.${signature}`,
      `${version}.${time}.${nonce}A.${signature}`,
      `${version}.${time}.${nonce.slice(1)}.${signature}`,
      `${version}.${time}.${nonce}.${signature}=`,
      `${version}.${time}.${nonce}.${signature.slice(0, -1)}B`,
      `${proof} `,
      `${proof}\n`,
      `${version}.9999999999999999.${nonce}.${signature}`,
    ];
    for (const other of others)
      expect(await bench.verdict(token, { proof: other, request }), other).toBe('proof_malformed');
    expect(await bench.verdict(token, { proof, request })).toBe('accepted');
  });

  test('cannot be made for a request with a line feed', async () => {
    const forged = `GET /a\n${bench.env.clock.wallMs()}`;
    await expect(prove(token, { request: forged })).rejects.toThrow(/printable/);
    expect(await bench.verdict(token, { proof: await prove(token), request: forged })).toBe('proof_malformed');
  });

  test('is for a request of at most 16,384 characters', async () => {
    for (const [length, ok] of [
      [16_383, true],
      [16_384, true],
      [16_385, false],
    ] as const) {
      const long = '/'.repeat(length);
      if (ok)
        expect(await bench.verdict(token, { proof: await prove(token, { request: long }), request: long })).toBe(
          'accepted',
        );
      else await expect(prove(token, { request: long })).rejects.toThrow(/16,384/);
    }
    await expect(prove(token, { nonce: new Uint8Array(15) })).rejects.toThrow(/16 bytes/);
  });

  test('that was forgotten is not accepted by a clock that is set back', async () => {
    const proof = await prove(token);
    expect(await bench.verdict(token, { proof, request })).toBe('accepted');
    bench.env.clock.jumpWall(2 * proofWindowMs + 1000);
    expect(await bench.verdict(token, { proof, request })).toBe('proof_expired');
    bench.env.clock.jumpWall(-2 * proofWindowMs - 1000);
    expect(['proof_expired', 'proof_replayed']).toContain(await bench.verdict(token, { proof, request }));
    bench.env.clock.jumpWall(1);
    expect(await bench.verdict(token, { proof: await prove(token), request })).toBe('accepted');
  });
});

describe('the memory of nonces', () => {
  const possession = async (by: KeyObject, text: string, owner: string) => ({
    proof: await prove(text, { by }),
    request,
    holder: encodeBase64Url(rawPublicKey(by)),
    key: by,
    tokenHash: bench.env.work.blake3(spellingOf(text).bytes),
    owner,
  });

  test('holds so many and then refuses; half of them for one owner, whatever its keys; time makes room', async () => {
    const check = new ProofCheck(bench.env.clock, 4);
    const token = bench.authority.mint({ subject: 'svc', rights: everything });
    // A key of its own for each proof.
    const proofOf = async (owner: string) => possession(generateKeyPairSync('ed25519').privateKey, token, owner);
    const use = async (owner: string) => check.fault(await proofOf(owner));
    const before = await proofOf('one');
    expect(check.fault(before)).toBeUndefined();
    expect([await use('one'), await use('one')]).toEqual([undefined, 'proofs_full']);
    expect([await use('two'), await use('two')]).toEqual([undefined, undefined]);
    expect(await use('three')).toBe('proofs_full');
    expect(check.fault(before)).toBe('proof_replayed');
    bench.env.clock.jumpWall(proofWindowMs + 1000);
    expect([await use('one'), await use('one'), await use('one')]).toEqual([undefined, undefined, 'proofs_full']);
  });

  test('counts what a holder attenuates as its own; other subjects and tenants apart', async () => {
    const small = await bench.make({ noncesMax: 4 });
    const use = async (tenant: string, subject: string) => {
      const by = generateKeyPairSync('ed25519').privateKey;
      const free = small.mint({ tenant, subject, rights: everything });
      const bound = hmacHands.attenuate(free, [{ key: encodeBase64Url(rawPublicKey(by)) }]);
      return bench.verdict(bound, { proof: await prove(bound, { by }), request }, small);
    };
    const mine = [await use('t', 'a'), await use('t', 'a'), await use('t', 'a')];
    expect(mine).toEqual(['accepted', 'accepted', 'proofs_full']);
    expect([await use('t', 'b'), await use('u', 'a')]).toEqual(['accepted', 'accepted']);
  });

  test('has room for 100,000', () => expect(noncesMax).toBe(100_000));
});
