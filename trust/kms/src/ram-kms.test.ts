import { createHmac, createPublicKey, verify } from 'node:crypto';
import type { Clock, Random } from '@ron/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createUuid, formatKeyId, parseKeyId } from './key-id.ts';
import { KeyRing } from './key-ring.ts';
import { createRamKms } from './ram-kms.ts';

const clock: Clock = { wallMs: () => 0x0192f3a00000, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) };
/** Counts up: every draw differs, every run is the same. */
function counting(): Random {
  let next = 0;
  const byte = () => {
    next += 1;
    return next & 0xff;
  };
  return { bytes: (length) => Uint8Array.from({ length }, byte), unit: () => 0.5 };
}
const message = new TextEncoder().encode('message');
const kid = 'node/names/ed25519/0192f3a0-0000-7000-8000-000000000001#1';

describe('keys', () => {
  test('signatures verify with any Ed25519 implementation, from the public bytes', async () => {
    await using kms = createRamKms({ clock, random: counting() });
    const key = await kms.createKey({ tenant: 'node', purpose: 'names', alg: 'ed25519' });
    const signature = await kms.sign(key.kid, message);
    const x = Buffer.from(kms.publicKey(key.kid)).toString('base64url');
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    expect(verify(null, message, publicKey, signature)).toBe(true);
    expect(kms.verify(key.kid, message, signature)).toBe(true);
    const flipped = Uint8Array.from(signature);
    flipped[5]! ^= 1;
    expect(kms.verify(key.kid, message, flipped)).toBe(false);
    expect(kms.verify(key.kid, message, signature.subarray(1))).toBe(false);
    expect(kms.verify('unknown', message, signature)).toBe(false);
  });

  test('the seed of RFC 8032 test 1 gives its public key and signature', () => {
    const ring = new KeyRing();
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
    ring.add({ kid, createdAtMs: 0, secret: seed });
    expect(seed.every((byte) => byte === 0)).toBe(true);
    expect(Buffer.from(ring.publicKey(kid)).toString('hex')).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    );
    expect(Buffer.from(ring.sign(kid, new Uint8Array(0))).toString('hex')).toBe(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    );
    expect(Buffer.from(ring.exportSecrets()[0]!.secret).toString('hex')).toMatch(/^9d61b19deffd5a60/);
  });

  test('a tag is the truncated 512-bit HMAC of the key', () => {
    const ring = new KeyRing();
    const macKid = kid.replace('ed25519', 'hmac');
    ring.add({ kid: macKid, createdAtMs: 0, secret: new Uint8Array(32).fill(9) });
    const expected = createHmac('sha512-256', new Uint8Array(32).fill(9)).update(message).digest();
    expect(ring.mac(macKid, message)).toEqual(expected);
  });

  test('the wrong kind of key and an unknown one are refused alike', async () => {
    await using kms = createRamKms({ clock, random: counting() });
    const signing = await kms.createKey({ tenant: 'node', purpose: 'names', alg: 'ed25519' });
    const tagging = await kms.createKey({ tenant: 'node', purpose: 'names', alg: 'hmac' });
    const tasks = [
      () => kms.mac(signing.kid, message),
      () => kms.sign(tagging.kid, message),
      () => kms.publicKey(tagging.kid),
      () => kms.mac('unknown', message),
      () => kms.sign('unknown', message),
    ];
    for (const task of tasks)
      expect(task).toThrow(expect.objectContaining({ code: 'not_found', message: 'no such key' }));
    expect(kms.verify(tagging.kid, message, new Uint8Array(64))).toBe(false);
  });

  test('listing filters by every part', async () => {
    await using kms = createRamKms({ clock, random: counting() });
    for (const tenant of ['a', 'b']) {
      for (const purpose of ['x', 'y']) await kms.createKey({ tenant, purpose, alg: 'hmac' });
    }
    expect(kms.listKeys().map((info) => info.tenant + info.purpose)).toEqual(['ax', 'ay', 'bx', 'by']);
    expect(kms.listKeys({ tenant: 'a', purpose: 'y' })).toHaveLength(1);
    expect(kms.listKeys({ alg: 'ed25519' })).toHaveLength(0);
  });

  test('malformed requests make no key', async () => {
    await using kms = createRamKms({ clock, random: counting() });
    for (const [tenant, purpose] of [
      ['', 'x'],
      ['../a', 'x'],
      ['a', 'X'],
      ['a', 'x/y'],
      ['a'.repeat(65), 'x'],
    ] as const) {
      await expect(kms.createKey({ tenant, purpose, alg: 'hmac' })).rejects.toThrow(/malformed/);
    }
    expect(kms.listKeys()).toHaveLength(0);
  });
});

describe('key ids', () => {
  test('parse back', () => {
    const part = (characters: string, maxLength: number) =>
      fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength });
    const id = fc.record({
      tenant: part('azAZ09_-', 64),
      purpose: part('az09-', 32),
      alg: fc.constantFrom('ed25519' as const, 'hmac' as const),
      uuid: fc.uuid(),
      version: fc.integer({ min: 1, max: 999_999_999 }),
    });
    fc.assert(
      fc.property(id, (each) => {
        expect(parseKeyId(formatKeyId(each))).toEqual(each);
      }),
    );
  });

  test.each([
    '',
    `${kid} `,
    kid.replace('#1', ''),
    kid.replace('#1', '#0'),
    kid.replace('#1', '#01'),
    `../${kid}`,
    kid.toUpperCase(),
    kid.replace('ed25519', 'none'),
    `${kid}\n`,
  ])('%j is none', (text) => expect(parseKeyId(text)).toBeUndefined());

  test('a UUID holds its time, version and variant', () => {
    const uuid = createUuid(clock, counting());
    expect(uuid).toMatch(/^0192f3a0-0000-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
