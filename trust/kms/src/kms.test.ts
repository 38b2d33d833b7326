import { createPublicKey, verify } from 'node:crypto';
import { RonError } from '@ron/proto/errors';
import { kmsRequestLimits } from '@ron/proto/kms';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type KeyRequest, type Kms, kmsLimits } from './kms.ts';
import { createRamKms } from './ram-kms.ts';
import { aad, engines, flip, message, none, request } from './testing/engines.ts';
import { fileOptions, MemoryDisk } from './testing/memory-disk.ts';
import { refusalOf } from './testing/refusals.ts';

describe.each(engines)('%s', (_name, open) => {
  let kms: Kms;
  beforeEach(async () => {
    kms = await open();
  });
  afterEach(() => kms[Symbol.asyncDispose]());
  const make = async (alg: KeyRequest['alg']) => (await kms.createKey(request(alg))).kid;

  test.each([
    ['ed25519', 64, 32],
    ['ml-dsa-65', 3_309, 1_952],
  ] as const)('%s signs; anyone with the public bytes verifies', async (alg, signatureBytes, publicBytes) => {
    const kid = await make(alg);
    const signature = await kms.sign(kid, message);
    const raw = Buffer.from(kms.publicKey(kid));
    expect([signature.length, raw.length]).toEqual([signatureBytes, publicBytes]);
    const outsider = createPublicKey({ key: raw, format: 'raw-public', asymmetricKeyType: alg });
    expect(verify(null, message, outsider, signature)).toBe(true);
    expect(kms.verify(kid, message, signature)).toBe(true);
    for (const wrong of [flip(signature, 5), signature.subarray(1), none]) {
      expect(kms.verify(kid, message, wrong)).toBe(false);
    }
    expect(kms.verify(kid, aad, signature)).toBe(false);
    expect(kms.verify('unknown', message, signature)).toBe(false);
  });

  test('tags verify, and nothing near them does', async () => {
    const kid = await make('hmac');
    const tag = kms.mac(kid, message);
    expect(kms.verifyMac(kid, message, tag)).toBe(true);
    for (const wrong of [flip(tag, 31), tag.subarray(1), none]) expect(kms.verifyMac(kid, message, wrong)).toBe(false);
    expect(kms.verifyMac(await make('ed25519'), message, tag)).toBe(false);
    expect(kms.verifyMac('unknown', message, tag)).toBe(false);
  });

  test('derived bytes follow from key and info, are no tags, and have 1 to 64 bytes', async () => {
    const kid = await make('hmac');
    const bytes = (of: string, info: Uint8Array, length: number) => Buffer.from(kms.derive(of, info, length).bytes());
    expect(bytes(kid, message, 32)).toEqual(bytes(kid, message, 32));
    expect(bytes(kid, message, 32)).not.toEqual(bytes(kid, aad, 32));
    expect(bytes(kid, message, 32)).not.toEqual(bytes(await make('hmac'), message, 32));
    expect(bytes(kid, message, 32)).not.toEqual(Buffer.from(kms.mac(kid, message)));
    expect([1, 64].map((length) => bytes(kid, message, length).length)).toEqual([1, 64]);
    for (const length of [0, 65, 1.5])
      expect(await refusalOf(() => kms.derive(kid, message, length))).toBe('bad_request');
    const [infoMax, over] = [new Uint8Array(kmsLimits.infoBytesMax), new Uint8Array(kmsLimits.infoBytesMax + 1)];
    expect(await refusalOf(() => kms.derive(kid, infoMax, 1))).toBe('accepted');
    expect(await refusalOf(() => kms.derive(kid, over, 1))).toBe('payload_too_large');
  });

  test('wrapped bytes open with the same key and aad alone', async () => {
    const [kid, other] = [await make('aes-256-gcm'), await make('aes-256-gcm')];
    const wrapped = await kms.wrap(kid, message, aad);
    expect(wrapped).toHaveLength(message.length + 33);
    expect([...wrapped.subarray(0, 5)]).toEqual([1, 0, 0, 0, 1]);
    const uuid = kid.split('/')[3]!.slice(0, 36);
    for (const name of [kid, uuid]) expect((await kms.unwrap(name, wrapped, aad)).text()).toBe('message');
    expect(Buffer.from(await kms.wrap(kid, message, aad))).not.toEqual(Buffer.from(wrapped));
    expect(await refusalOf(() => kms.unwrap(kid, wrapped, none))).toBe('bad_request');
    expect(await refusalOf(() => kms.unwrap(other, wrapped, aad))).toBe('bad_request');
    for (let at = 0; at < wrapped.length; at += 1) {
      // The version names a key: another one is unknown.
      const expected = at >= 1 && at <= 4 ? 'not_found' : 'bad_request';
      expect(await refusalOf(() => kms.unwrap(kid, flip(wrapped, at), aad)), `byte ${at}`).toBe(expected);
    }
    for (let length = 0; length < wrapped.length; length += 1) {
      expect(await refusalOf(() => kms.unwrap(kid, wrapped.subarray(0, length), aad))).toBe('bad_request');
    }
  });

  test('wraps at most 4 KiB with at most 4 KiB of aad', async () => {
    const kid = await make('aes-256-gcm');
    const { plaintextBytesMax, aadBytesMax } = kmsLimits;
    for (const [plaintext, extra, expected] of [
      [0, 0, 'accepted'],
      [plaintextBytesMax - 1, aadBytesMax - 1, 'accepted'],
      [plaintextBytesMax, aadBytesMax, 'accepted'],
      [plaintextBytesMax + 1, 0, 'payload_too_large'],
      [0, aadBytesMax + 1, 'payload_too_large'],
    ] as const) {
      const task = async () => {
        const wrapped = await kms.wrap(kid, new Uint8Array(plaintext), new Uint8Array(extra));
        expect((await kms.unwrap(kid, wrapped, new Uint8Array(extra))).bytes()).toHaveLength(plaintext);
      };
      expect(await refusalOf(task)).toBe(expected);
    }
  });

  test('a data key is random and comes with its wrapped form', async () => {
    const kid = await make('aes-256-gcm');
    const { plaintext, wrapped } = await kms.generateDataKey(kid, aad);
    expect(plaintext.bytes()).toHaveLength(32);
    expect(new Set(plaintext.bytes()).size).toBeGreaterThan(8);
    expect((await kms.unwrap(kid, wrapped, aad)).bytes()).toEqual(plaintext.bytes());
    expect(`${plaintext}`).toBe('[redacted]');
  });

  test('the wrong kind of key and an unknown one are refused alike', async () => {
    const [signing, tagging] = [await make('ed25519'), await make('hmac')];
    const tasks = [
      () => kms.mac(signing, message),
      () => kms.derive(signing, message, 8),
      () => kms.sign(tagging, message),
      () => kms.publicKey(tagging),
      () => kms.wrap(tagging, message, aad),
      () => kms.rewrap(signing, []),
      () => kms.mac('unknown', message),
      () => kms.sign('unknown', message),
      () => kms.wrap('unknown', message, aad),
      () => kms.unwrap('unknown', new Uint8Array(40).fill(1), aad),
      () => kms.rewrap('unknown', []),
    ];
    const refused = expect.objectContaining({ code: 'not_found', message: 'no such key' });
    for (const task of tasks) await expect((async () => task())()).rejects.toEqual(refused);
    for (const task of [kms.rotateKey, kms.retireKey, kms.destroyKey]) {
      for (const kid of ['unknown', signing.replace('acme', 'other')]) await expect(task(kid)).rejects.toEqual(refused);
    }
  });

  test('listing filters by every part; the current key is the newest active one', async () => {
    for (const tenant of ['a', 'b']) {
      for (const purpose of ['x', 'y']) await kms.createKey({ tenant, purpose, alg: 'hmac' });
    }
    expect(kms.listKeys().map((info) => info.tenant + info.purpose)).toEqual(['ax', 'ay', 'bx', 'by']);
    expect(kms.listKeys({ tenant: 'a', purpose: 'y' })).toHaveLength(1);
    expect(kms.listKeys({ alg: 'ed25519' })).toHaveLength(0);
    const filter = { tenant: 'a', purpose: 'x', alg: 'hmac' } as const;
    const first = kms.currentKey(filter)!;
    expect(kms.currentKey({ ...filter, alg: 'ed25519' })).toBeUndefined();
    const second = await kms.createKey(filter);
    expect(kms.currentKey(filter)).toEqual(second);
    await kms.retireKey(second.kid, { evenActive: true });
    expect(kms.currentKey(filter)).toEqual(first);
    const rotated = await kms.rotateKey(first.kid);
    expect(kms.currentKey(filter)).toEqual(rotated);
    expect(kms.listKeys({ state: 'verifying' }).map((info) => info.kid)).toEqual([first.kid]);
  });

  test('malformed requests make no key', async () => {
    for (const [tenant, purpose] of [
      ['', 'x'],
      ['../a', 'x'],
      ['a', 'X'],
      ['a', 'x/y'],
      ['a'.repeat(65), 'x'],
    ] as const) {
      await expect(kms.createKey({ tenant, purpose, alg: 'hmac' })).rejects.toThrow(/malformed/);
    }
    expect([kms.listKeys().length, await refusalOf(() => kms.sign('x', message))]).toEqual([0, 'not_found']);
  });

  test('no refusal shows a secret', async () => {
    const kid = await make('aes-256-gcm');
    const wrapped = await kms.wrap(kid, new TextEncoder().encode('canary-plaintext'), aad);
    const error = await (async () => kms.unwrap(kid, flip(wrapped, 20), aad))().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RonError);
    expect(JSON.stringify((error as RonError).toEnvelope('c')) + (error as Error).stack).not.toMatch(/canary/);
  });
});

test('tenants fill the keystore up to 10,000 versions, and the node’s own keys still rotate', async () => {
  const kms = createRamKms(fileOptions(new MemoryDisk()).env);
  const { kid: root } = await kms.createKey({ tenant: 'node', purpose: 'capability', alg: 'hmac' });
  let { kid } = await kms.createKey(request('hmac'));
  while (kms.generation < kmsLimits.keysMax) kid = (await kms.rotateKey(kid)).kid;
  for (const task of [() => kms.rotateKey(kid), () => kms.createKey(request('hmac'))])
    expect(await refusalOf(task)).toBe('insufficient_storage');
  let last = root;
  for (let version = 2; version <= 101; version += 1) last = (await kms.rotateKey(last)).kid;
  expect(await refusalOf(() => kms.rotateKey(last))).toBe('insufficient_storage');
});

test('the service promises what the kms does', () => {
  const { plaintextBytesMax, aadBytesMax, rewrapItemsMax } = kmsRequestLimits;
  expect(kmsLimits).toMatchObject({ plaintextBytesMax, aadBytesMax, rewrapItemsMax });
});
