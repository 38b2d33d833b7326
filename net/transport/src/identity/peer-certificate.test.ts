import { X509Certificate } from 'node:crypto';
import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { testIdentity } from '../testing/test-nodes.ts';
import { issueCertificate, nodeExtension, publicHalf, selfSigned, tlsKeyOf } from './certificate.ts';
import { certificateLimits } from './certificate-form.ts';
import { derTag, encodeDer } from './der.ts';
import { proveNode } from './peer-certificate.ts';
import { certificateStatement } from './statements.ts';

const env = createSimEnv({ seed: 'certificates' });
const { work } = env;
const identity = await testIdentity(env);
const stranger = await testIdentity(env);
const hourMs = 3_600_000;
const certificate = await issueCertificate(identity, env, hourMs);
const { notBeforeMs, notAfterMs, der } = certificate;
const nowMs = notBeforeMs;
const prove = (bytes: Uint8Array, atMs = nowMs) => proveNode(bytes, { nowMs: atMs, work });

interface Forgery {
  readonly signer?: typeof identity;
  readonly claims?: typeof identity;
  readonly validityMs?: number;
  readonly statementFor?: 'another key' | 'another time';
  readonly more?: readonly Uint8Array[];
  readonly twice?: boolean;
}

/** A certificate that is right in all but what it is asked to be wrong in. */
async function forged({ signer = identity, claims = identity, validityMs = hourMs, ...wrong }: Forgery) {
  const key = tlsKeyOf(env.random.bytes(32));
  const notBeforeS = notBeforeMs / 1_000;
  const notAfterS = notBeforeS + validityMs / 1_000;
  const tlsKey = publicHalf(wrong.statementFor === 'another key' ? tlsKeyOf(env.random.bytes(32)) : key);
  const end = wrong.statementFor === 'another time' ? notAfterS - 1 : notAfterS;
  const signature = await signer.sign(certificateStatement({ notBeforeS, notAfterS: end, tlsKey }));
  const mine = nodeExtension(claims.publicKey, signature);
  const extensions = [...(wrong.more ?? []), mine, ...(wrong.twice === true ? [mine] : [])];
  return selfSigned(key, { serial: Uint8Array.of(1), notBeforeS, notAfterS, extensions });
}

const otherId = encodeDer(derTag.objectId, Uint8Array.of(0x55, 0x1d, 0x11));
const otherExtension = (bytes: number) =>
  encodeDer(derTag.sequence, otherId, encodeDer(derTag.octetString, new Uint8Array(bytes)));
const critical = encodeDer(
  derTag.sequence,
  otherId,
  encodeDer(derTag.boolean, Uint8Array.of(0xff)),
  encodeDer(derTag.octetString),
);

test('a certificate proves the node whose key it names; OpenSSL reads it as one that signs itself', () => {
  expect(prove(der)).toEqual({ nodeId: identity.nodeId, publicKey: identity.publicKey });
  expect(proveNode(der, { nowMs, work, nodeId: identity.nodeId })).toMatchObject({ nodeId: identity.nodeId });
  const parsed = new X509Certificate(certificate.tls.certificateChainPem);
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(Date.parse(parsed.validTo)).toBe(notAfterMs);
  expect(der.length).toBeLessThan(512);
});

test('for another node id it proves nothing', () => {
  expect(proveNode(der, { nowMs, work, nodeId: stranger.nodeId })).toBe('wrong_node');
});

test('validity counts to the millisecond, with 60 s of difference between clocks', () => {
  expect(prove(der, notBeforeMs - 60_001)).toBe('certificate_not_yet_valid');
  expect(prove(der, notBeforeMs - 60_000)).toHaveProperty('nodeId');
  expect(prove(der, notAfterMs + 60_000)).toHaveProperty('nodeId');
  expect(prove(der, notAfterMs + 60_001)).toBe('certificate_expired');
});

test('more than 48 h are refused, and not issued', async () => {
  const { validityMsMax } = certificateLimits;
  expect(prove(await forged({ validityMs: validityMsMax - 1_000 }))).toHaveProperty('nodeId');
  expect(prove(await forged({ validityMs: validityMsMax }))).toHaveProperty('nodeId');
  expect(prove(await forged({ validityMs: validityMsMax + 1_000 }))).toBe('certificate_validity');
  expect(prove(await forged({ validityMs: -1_000 }))).toBe('certificate_validity');
  await expect(issueCertificate(identity, env, validityMsMax + 1)).rejects.toThrow(RangeError);
  await expect(issueCertificate(identity, env, 999)).rejects.toThrow(RangeError);
});

test('the statement is of the node key that is named, about this TLS key and this time', async () => {
  expect(prove(await forged({}))).toHaveProperty('nodeId');
  expect(prove(await forged({ signer: stranger }))).toBe('certificate_statement');
  expect(prove(await forged({ claims: stranger }))).toBe('certificate_statement');
  expect(prove(await forged({ statementFor: 'another key' }))).toBe('certificate_statement');
  expect(prove(await forged({ statementFor: 'another time' }))).toBe('certificate_statement');
});

test('one statement; other extensions up to seven, none of them critical', async () => {
  expect(prove(await forged({ twice: true }))).toBe('certificate_malformed');
  expect(prove(await forged({ more: [critical] }))).toBe('certificate_malformed');
  const more = (count: number) => Array.from({ length: count }, () => otherExtension(1));
  expect(prove(await forged({ more: more(6) }))).toHaveProperty('nodeId');
  expect(prove(await forged({ more: more(7) }))).toHaveProperty('nodeId');
  expect(prove(await forged({ more: more(8) }))).toBe('certificate_malformed');
});

test('4 KiB and not a byte more', async () => {
  const overhead = (await forged({ more: [otherExtension(3_000)] })).length - 3_000;
  const sized = (bytes: number) => forged({ more: [otherExtension(bytes - overhead)] });
  for (const bytes of [4_095, 4_096, 4_097]) {
    const made = await sized(bytes);
    expect(made.length).toBe(bytes);
    if (bytes > certificateLimits.bytesMax) expect(prove(made)).toBe('certificate_too_large');
    else expect(prove(made)).toHaveProperty('nodeId');
  }
});

test('a certificate with any bit changed, cut short or with something behind it proves nothing', () => {
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = der.slice();
      changed[at] = (changed[at] as number) ^ change;
      expect(typeof prove(changed)).toBe('string');
    }),
    { numRuns: 300 },
  );
  fc.assert(fc.property(fc.nat(der.length - 1), (length) => typeof prove(der.subarray(0, length)) === 'string'));
  expect(prove(Uint8Array.of(...der, 0))).toBe('certificate_malformed');
});

test('bytes of strangers are refused and never throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => prove(bytes) === 'certificate_malformed'));
});
