import { createPublicKey, verify } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { destructionStatement } from './destruction.ts';
import type { KeyRequest, Kms } from './kms.ts';
import { aad, engines, message, request } from './testing/engines.ts';
import { refusalOf } from './testing/refusals.ts';

describe.each(engines)('%s', (_name, open) => {
  let kms: Kms;
  beforeEach(async () => {
    kms = await open();
  });
  afterEach(() => kms[Symbol.asyncDispose]());
  const make = async (alg: KeyRequest['alg']) => (await kms.createKey(request(alg))).kid;

  describe('versions', () => {
    test('a rotated key keeps its uuid; the version before checks and opens, and makes nothing', async () => {
      const [signing, tagging, wrapping] = [await make('ed25519'), await make('hmac'), await make('aes-256-gcm')];
      const signature = await kms.sign(signing, message);
      const tag = kms.mac(tagging, message);
      const wrapped = await kms.wrap(wrapping, message, aad);
      const before = kms.generation;
      const next = [];
      for (const kid of [signing, tagging, wrapping]) next.push(await kms.rotateKey(kid));
      expect(kms.generation).toBe(before + 3);
      expect(next.map((info) => info.kid)).toEqual([signing, tagging, wrapping].map((kid) => kid.replace('#1', '#2')));
      expect(next.map((info) => [info.version, info.state])).toEqual([2, 2, 2].map((version) => [version, 'active']));
      expect(kms.verify(signing, message, signature)).toBe(true);
      expect(kms.verifyMac(tagging, message, tag)).toBe(true);
      expect(Buffer.from(kms.mac(tagging, message))).toEqual(Buffer.from(tag));
      for (const kid of [wrapping, next[2]!.kid]) expect((await kms.unwrap(kid, wrapped, aad)).text()).toBe('message');
      expect(kms.verify(next[0]!.kid, message, signature)).toBe(false);
      expect(await refusalOf(() => kms.sign(signing, message))).toBe('conflict');
      expect(await refusalOf(() => kms.wrap(wrapping, message, aad))).toBe('conflict');
      expect(await refusalOf(() => kms.rotateKey(signing))).toBe('conflict');
    });

    test('of those who rotate one version at once, one does', async () => {
      const kid = await make('hmac');
      const outcomes = await Promise.all(Array.from({ length: 5 }, () => refusalOf(() => kms.rotateKey(kid))));
      expect(outcomes.sort()).toEqual(['accepted', 'conflict', 'conflict', 'conflict', 'conflict']);
      expect(kms.listKeys().map((info) => info.version)).toEqual([1, 2]);
    });

    test('a retired version is listed, gives its public half, and does nothing', async () => {
      const [signing, wrapping] = [await make('ed25519'), await make('aes-256-gcm')];
      const [signature, wrapped] = [await kms.sign(signing, message), await kms.wrap(wrapping, message, aad)];
      expect(await refusalOf(() => kms.retireKey(signing))).toBe('conflict');
      await kms.rotateKey(signing);
      expect((await kms.retireKey(signing)).state).toBe('retired');
      expect((await kms.retireKey(signing)).state).toBe('retired');
      await kms.retireKey(wrapping, { evenActive: true });
      expect(kms.listKeys({ state: 'retired' })).toHaveLength(2);
      expect(kms.publicKey(signing)).toHaveLength(32);
      expect(kms.verify(signing, message, signature)).toBe(false);
      for (const task of [
        () => kms.sign(signing, message),
        () => kms.rotateKey(signing),
        () => kms.unwrap(wrapping, wrapped, aad),
        () => kms.rewrap(wrapping, []),
      ]) {
        expect(await refusalOf(task)).toBe('not_found');
      }
    });

    test('rotation never fails what is valid: any order of changes', async () => {
      const step = fc.constantFrom('sign', 'rotate', 'retire-oldest');
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
          await using kms = await open();
          const filter = request('ed25519');
          await kms.createKey(filter);
          const wrapKid = (await kms.createKey({ ...filter, alg: 'aes-256-gcm' })).kid;
          const made: { kid: string; signature: Uint8Array; wrapped: Uint8Array; wrapKid: string }[] = [];
          for (const each of steps) {
            const [signing, wrapping] = [kms.currentKey(filter)!, kms.currentKey({ ...filter, alg: 'aes-256-gcm' })!];
            if (each === 'sign') {
              const [signature, wrapped] = [
                await kms.sign(signing.kid, message),
                await kms.wrap(wrapping.kid, message, aad),
              ];
              made.push({ kid: signing.kid, signature, wrapped, wrapKid: wrapping.kid });
            } else if (each === 'rotate') {
              await kms.rotateKey(signing.kid);
              await kms.rotateKey(wrapping.kid);
            } else {
              const oldest = kms.listKeys({ ...filter, state: 'verifying' })[0];
              if (oldest !== undefined) await kms.retireKey(oldest.kid);
            }
            const retired = new Set(kms.listKeys({ ...filter, state: 'retired' }).map((info) => info.kid));
            for (const { kid, signature, wrapped } of made) {
              expect(kms.verify(kid, message, signature)).toBe(!retired.has(kid));
              expect((await kms.unwrap(wrapKid, wrapped, aad)).text()).toBe('message');
            }
          }
        }),
        { numRuns: _name === 'ram' ? 60 : 8 },
      );
    });
  });

  describe('destruction', () => {
    test.each(['ed25519', 'ml-dsa-65', 'hmac', 'aes-256-gcm'] as const)(
      'of %s leaves a signed statement',
      async (alg) => {
        const kid = await make(alg);
        expect(await refusalOf(() => kms.destroyKey(kid))).toBe('conflict');
        const proof = await kms.destroyKey(kid, { evenActive: true });
        expect(proof).toMatchObject({ kid, destroyedAtMs: 1_764_000_000_000, generation: kms.generation });
        expect(proof.fingerprint).toMatch(/^b3:[0-9a-f]{64}$/);
        expect(kms.destruction(kid)).toEqual(proof);
        expect(await kms.destroyKey(kid)).toEqual(proof);
        expect(kms.listKeys({ state: 'destroyed' }).map((info) => info.kid)).toEqual([kid]);
        expect(kms.listKeys({ purpose: 'kms-proof' })).toMatchObject([{ kid: proof.signer, tenant: 'node' }]);
        const key = Buffer.from(kms.publicKey(proof.signer));
        const outsider = createPublicKey({ key, format: 'raw-public', asymmetricKeyType: 'ed25519' });
        const signature = Buffer.from(proof.signature, 'base64url');
        expect(verify(null, destructionStatement(proof), outsider, signature)).toBe(true);
        for (const other of [{ kid: 'x' }, { generation: 9 }, { fingerprint: 'b3:' }, { destroyedAtMs: 1 }]) {
          expect(verify(null, destructionStatement({ ...proof, ...other }), outsider, signature)).toBe(false);
        }
        for (const task of [() => kms.publicKey(kid), () => kms.sign(kid, message), () => kms.rotateKey(kid)]) {
          expect(await refusalOf(task)).toBe('not_found');
        }
        expect(await refusalOf(() => kms.retireKey(kid))).toBe('not_found');
      },
    );

    test('the fingerprint tells keys apart, and one proof key serves all, until it is itself destroyed', async () => {
      const proofs = [];
      for (let count = 0; count < 3; count += 1) {
        proofs.push(await kms.destroyKey(await make('hmac'), { evenActive: true }));
      }
      expect(new Set(proofs.map((proof) => proof.fingerprint)).size).toBe(3);
      expect(new Set(proofs.map((proof) => proof.signer)).size).toBe(1);
      const own = await kms.destroyKey(proofs[0]!.signer, { evenActive: true });
      expect(own.signer).not.toBe(own.kid);
      expect(kms.verify(own.signer, destructionStatement(own), Buffer.from(own.signature, 'base64url'))).toBe(true);
    });
  });

  describe('op_id', () => {
    test('the same request answers the same, another one is a conflict', async () => {
      const opId = 'operation-1';
      const made = await kms.createKey(request('hmac'), { opId });
      const other = await kms.createKey(request('hmac'), { opId: 'operation-2' });
      expect(other.kid).not.toBe(made.kid);
      const rotated = await kms.rotateKey(made.kid, { opId: 'operation-3' });
      await kms.rotateKey(rotated.kid);
      const { generation } = kms;
      expect(await kms.createKey(request('hmac'), { opId })).toEqual(made);
      expect(await kms.rotateKey(made.kid, { opId: 'operation-3' })).toEqual(rotated);
      for (const task of [
        () => kms.createKey(request('ed25519'), { opId }),
        () => kms.rotateKey(other.kid, { opId }),
        () => kms.retireKey(other.kid, { opId: 'operation-3' }),
      ]) {
        expect(await refusalOf(task)).toBe('conflict');
      }
      expect(kms.generation).toBe(generation);
      const foreign = await kms.createKey(request('hmac', { tenant: 'other' }), { opId });
      expect(foreign.tenant).toBe('other');
    });

    test('retiring and destroying are remembered too', async () => {
      const kid = await make('hmac');
      const retired = await kms.retireKey(kid, { opId: 'retire-it', evenActive: true });
      const destroyed = await kms.destroyKey(kid, { opId: 'destroy-it' });
      expect(await kms.retireKey(kid, { opId: 'retire-it', evenActive: true })).toEqual(retired);
      expect(await kms.destroyKey(kid, { opId: 'destroy-it' })).toEqual(destroyed);
      expect(await refusalOf(() => kms.destroyKey(kid, { opId: 'destroy-it', evenActive: true }))).toBe('conflict');
    });

    test('at once, it still happens once', async () => {
      const made = await Promise.all(
        Array.from({ length: 4 }, () => kms.createKey(request('hmac'), { opId: 'together' })),
      );
      expect(new Set(made.map((info) => info.kid)).size).toBe(1);
      expect(kms.listKeys()).toHaveLength(1);
    });

    test('has 8 to 64 characters of its alphabet', async () => {
      for (const [opId, expected] of [
        ['a'.repeat(7), 'bad_request'],
        ['a'.repeat(8), 'accepted'],
        ['a'.repeat(64), 'accepted'],
        ['a'.repeat(65), 'bad_request'],
        ['with space', 'bad_request'],
        ['slash/es', 'bad_request'],
      ] as const) {
        expect(await refusalOf(() => kms.createKey(request('hmac'), { opId })), opId).toBe(expected);
      }
    });

    test('a refused request is not remembered', async () => {
      const kid = await make('hmac');
      expect(await refusalOf(() => kms.retireKey(kid, { opId: 'try-again' }))).toBe('conflict');
      await kms.rotateKey(kid);
      expect((await kms.retireKey(kid, { opId: 'try-again' })).state).toBe('retired');
    });
  });
});
