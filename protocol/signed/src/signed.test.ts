import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { parseAddress } from '@ron/naming';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkThreshold,
  documentBytes,
  documentId,
  encodeSigned,
  holdingSignatures,
  parseSigned,
  type SignedDocument,
  type Signer,
  type SignerSignature,
  signaturesMax,
  signedBytesMax,
  type VerifySignature,
} from './index.ts';

interface Person {
  readonly signer: Signer;
  readonly privateKeys: Readonly<Record<'ed25519' | 'ml-dsa-65', KeyObject>>;
}

const publicKeys = new Map<string, KeyObject>();

function createPerson(name: string, hybrid: boolean): Person {
  const pairs = { ed25519: generateKeyPairSync('ed25519'), 'ml-dsa-65': generateKeyPairSync('ml-dsa-65') };
  const rawOf = (alg: 'ed25519' | 'ml-dsa-65', bytes: number) => {
    const spki = pairs[alg].publicKey.export({ type: 'spki', format: 'der' });
    const raw = spki.subarray(-bytes).toString('base64url');
    publicKeys.set(raw, createPublicKey({ key: spki, type: 'spki', format: 'der' }));
    return raw;
  };
  const second = hybrid ? { 'ml-dsa-65': rawOf('ml-dsa-65', 1_952) } : {};
  return {
    signer: { name, keys: { ed25519: rawOf('ed25519', 32), ...second } },
    privateKeys: { ed25519: pairs.ed25519.privateKey, 'ml-dsa-65': pairs['ml-dsa-65'].privateKey },
  };
}

const verifyReal: VerifySignature = (_alg, key, message, signature) => {
  const found = publicKeys.get(Buffer.from(key).toString('base64url'));
  return found !== undefined && verify(null, message, found, signature);
};

const [ann, ben, cy] = [createPerson('ann', false), createPerson('ben', false), createPerson('cy', true)];
const people = [ann, ben, cy];
const rule = (threshold: number, ...some: readonly Person[]) => ({
  threshold,
  signers: (some.length === 0 ? people : some).map(({ signer }) => signer),
});

function signatureOf({ signer, privateKeys }: Person, alg: 'ed25519' | 'ml-dsa-65', document: { type: string }) {
  const signature = sign(null, documentBytes(document), privateKeys[alg]).toString('base64url');
  return { signer: signer.name, alg, signature };
}

function signaturesOf(person: Person, document: { type: string }): readonly SignerSignature[] {
  const first = signatureOf(person, 'ed25519', document);
  return person.signer.keys['ml-dsa-65'] === undefined ? [first] : [first, signatureOf(person, 'ml-dsa-65', document)];
}

const document = { type: 'ron-test', version: 3, nested: { text: 'é', list: [1, 2] } };
const signedBy = (...some: readonly Person[]): SignedDocument<typeof document> => ({
  document,
  signatures: some.flatMap((person) => signaturesOf(person, document)),
});

describe('what is signed', () => {
  test('is a line with the type, then the canonical JSON', () => {
    expect(new TextDecoder().decode(documentBytes({ b: 1, type: 'ron-test', a: 'é' } as { type: string }))).toBe(
      'ron-signed/1 ron-test\n{"a":"é","b":1,"type":"ron-test"}',
    );
  });

  test('means nothing for another type of the same fields', () => {
    const { signatures } = signedBy(ann, ben);
    const other = { document: { ...document, type: 'ron-other' }, signatures };
    expect(checkThreshold(other, rule(1), verifyReal).valid).toEqual([]);
  });

  test('has one id for one document, whatever the order of its members', () => {
    const hash = (bytes: Uint8Array) => `b3:${Buffer.from(bytes).toString('hex').padEnd(64, '0').slice(0, 64)}`;
    const { type, ...rest } = document;
    expect(documentId({ ...rest, type }, hash)).toBe(documentId(document, hash));
    expect(() => parseAddress(documentId(document, hash))).not.toThrow();
  });
});

describe('the threshold', () => {
  test('is met by as many signers, not by one less', () => {
    for (const [some, met] of [
      [[ann], false],
      [[ann, ben], true],
      [[ann, ben, cy], true],
    ] as const) {
      expect(checkThreshold(signedBy(...some), rule(2), verifyReal)).toEqual({
        met,
        valid: some.map(({ signer }) => signer.name),
      });
    }
    for (const threshold of [0, -1, Number.NaN, 0.5]) {
      expect(checkThreshold(signedBy(ann), rule(threshold), verifyReal).met).toBe(false);
    }
  });

  test('counts a signer with two keys only when both signed', () => {
    const [first, second] = signaturesOf(cy, document) as [SignerSignature, SignerSignature];
    for (const signatures of [[first], [second]]) {
      const half = { document, signatures };
      expect(checkThreshold(half, rule(1), verifyReal)).toEqual({ met: false, valid: [] });
      expect(holdingSignatures(half, rule(1), verifyReal)).toEqual(signatures);
    }
    expect(checkThreshold(signedBy(cy), rule(1), verifyReal).valid).toEqual(['cy']);
  });

  test('counts a key under two names, or in two spellings, once', () => {
    const twin: Person = { ...ann, signer: { ...ann.signer, name: 'twin' } };
    const both = signedBy(ann, twin);
    expect(checkThreshold(both, rule(2, ann, twin, ben), verifyReal)).toEqual({ met: false, valid: ['ann'] });
    expect(checkThreshold(signedBy(twin), rule(1, ann, twin), verifyReal).valid).toEqual(['twin']);
    // 43 characters hold 258 bits: the last one can be written in four ways.
    const last = ann.signer.keys.ed25519.at(-1) as string;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const respelt = `${ann.signer.keys.ed25519.slice(0, -1)}${alphabet[alphabet.indexOf(last) + 1]}`;
    const other: Person = { ...ann, signer: { name: 'twin', keys: { ed25519: respelt } } };
    expect(checkThreshold(both, rule(2, ann, other), verifyReal)).toEqual({ met: false, valid: ['ann'] });
  });

  test('counts nobody twice for a name that stands twice, and strangers never', () => {
    const eve = createPerson('ann', false);
    expect(checkThreshold(signedBy(ann), rule(2, ann, ann), verifyReal).valid).toEqual(['ann']);
    expect(checkThreshold(signedBy(eve), rule(1), verifyReal).valid).toEqual([]);
    const stranger = createPerson('zoe', false);
    expect(checkThreshold(signedBy(stranger, ann, ben), rule(2), verifyReal)).toMatchObject({ met: true });
  });

  test('any changed character of document or signatures takes away from who counts', () => {
    const text = encodeSigned(signedBy(ann, cy));
    const before = checkThreshold(parseSigned(text), rule(2), verifyReal).valid;
    expect(before).toEqual(['ann', 'cy']);
    fc.assert(
      fc.property(fc.nat(text.length - 2), fc.integer({ min: 1, max: 127 }), (place, flip) => {
        const changed = String.fromCharCode((text.charCodeAt(place) ^ flip) & 0xff);
        const other = `${text.slice(0, place)}${changed}${text.slice(place + 1)}`;
        let valid: readonly string[];
        try {
          const read = parseSigned(other);
          // Another spelling of the same value (`\u0061`, a space) is the same document.
          fc.pre(encodeSigned(read) !== text);
          valid = checkThreshold(read, rule(2), verifyReal).valid;
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad_request' });
          return;
        }
        expect(valid.length).toBeLessThan(before.length);
      }),
      { numRuns: 1_500 },
    );
  });
});

describe('the envelope', () => {
  const signed = signedBy(ann, cy);
  const text = encodeSigned(signed);
  const value = JSON.parse(text) as { document: object; signatures: Record<string, unknown>[] };
  const [first] = value.signatures as [Record<string, unknown>];
  const signature = first['signature'] as string;

  test('is one line of canonical JSON that reads back', () => {
    expect(text.endsWith('}\n')).toBe(true);
    expect(parseSigned(text)).toEqual(signed);
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (fields) => {
        const signed = { document: { ...fields, type: 'ron-test' }, signatures: [] };
        let encoded: string;
        try {
          encoded = encodeSigned(signed);
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad_request' });
          return;
        }
        expect(encodeSigned(parseSigned(encoded))).toBe(encoded);
      }),
    );
  });

  test.each<[string, unknown]>([
    ['no object', []],
    ['a member more', { ...value, extra: 1 }],
    ['no signatures', { document }],
    ['a document without a type', { document: {}, signatures: [] }],
    ['a type with a line end', { document: { type: 'a\nb' }, signatures: [] }],
    ['signatures that are no list', { document, signatures: {} }],
    ['a signature with a member more', { document, signatures: [{ ...first, kid: 'x' }] }],
    ['a signer with spaces', { document, signatures: [{ ...first, signer: 'a b' }] }],
    ['another algorithm', { document, signatures: [{ ...first, alg: 'none' }] }],
    ['an algorithm of the prototype', { document, signatures: [{ ...first, alg: 'constructor' }] }],
    ['a short signature', { document, signatures: [{ ...first, signature: signature.slice(1) }] }],
    ['a padded signature', { document, signatures: [{ ...first, signature: `${signature.slice(2)}==` }] }],
    ['a signer twice', { document, signatures: [first, first] }],
  ])('refuses %s', (_what, bad) => {
    expect(() => parseSigned(JSON.stringify(bad))).toThrow(
      expect.objectContaining({ code: 'bad_request', details: { reason: 'malformed' } }),
    );
  });

  test('holds at most 64 signatures and 1 MiB', () => {
    const many = (count: number) => ({
      document,
      signatures: Array.from({ length: count }, (_, index) => ({ ...first, signer: `s${index}` })),
    });
    for (const count of [signaturesMax - 1, signaturesMax]) {
      expect(parseSigned(JSON.stringify(many(count))).signatures).toHaveLength(count);
    }
    expect(() => parseSigned(JSON.stringify(many(signaturesMax + 1)))).toThrow('signatures');
    const filled = (bytes: number) => {
      const empty = JSON.stringify({ document: { type: 'ron-test', pad: '' }, signatures: [] });
      return empty.replace('"pad":""', `"pad":"é${'x'.repeat(bytes - empty.length - 2)}"`);
    };
    for (const bytes of [signedBytesMax - 1, signedBytesMax]) expect(parseSigned(filled(bytes))).toBeDefined();
    expect(() => parseSigned(filled(signedBytesMax + 1))).toThrow('1 MiB');
  });
});

test('text that is no JSON is refused without quoting it: it may be a secret', () => {
  try {
    parseSigned('canary');
    expect.unreachable();
  } catch (error) {
    const { message, cause } = error as Error;
    expect(error).toMatchObject({ code: 'bad_request', details: { reason: 'malformed' } });
    expect(`${message} ${String(cause)}`).not.toContain('canary');
  }
});
