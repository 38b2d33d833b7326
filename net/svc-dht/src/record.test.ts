import { createInlineWork } from '@ron/kernel/real';
import { dhtLimits, ProviderRecord } from '@ron/proto/dht';
import { toHex } from '@ron/transport';
import fc from 'fast-check';
import { Check } from 'typebox/value';
import { expect, test } from 'vitest';

import { createRecordCheck, signRecord } from './record.ts';
import { createTestSigner, verifyEd25519 } from './testing/small-network.ts';

const { blake3 } = createInlineWork();
const check = createRecordCheck({ blake3, verify: verifyEd25519 });
const signer = createTestSigner();
const nowMs = 1_000_000_000_000;
const provider = { id: signer.id, address: '10.0.0.1:9700', region: 'eu-west' };
const key = 'ab'.repeat(32);
const { recordTtlMsMax, clockSkewMsMax } = dhtLimits;
const sign = (more: object = {}) => signRecord(signer, { key, provider, nowMs, ttlMs: recordTtlMsMax, ...more });

test('a signed record is of the contract, and holds until it expires', async () => {
  const record = await sign();
  expect(Check(ProviderRecord, record)).toBe(true);
  expect(check(record, nowMs)).toBeUndefined();
  expect(check(record, nowMs + recordTtlMsMax - 1)).toBeUndefined();
  expect(check(record, nowMs + recordTtlMsMax)).toBe('expired');
});

test('no field can be changed', async () => {
  const record = await sign();
  const other = createTestSigner();
  const forged = [
    { ...record, key: 'ac'.repeat(32) },
    { ...record, provider: { ...provider, address: '10.0.0.2:9700' } },
    { ...record, provider: { id: provider.id, address: provider.address } },
    { ...record, sequence: record.sequence + 1 },
    { ...record, issued_at: record.issued_at - 1, expires_at: record.expires_at - 1 },
    { ...record, expires_at: record.expires_at - 1 },
    { ...record, signature: `${record.signature.slice(0, -2)}AA` },
    { ...record, public_key: Buffer.from(other.publicKey).toString('base64url') },
    { ...record, provider: { ...provider, id: other.id } },
  ];
  for (const one of forged) expect(check(one, nowMs)).toBe('unsigned');
});

test('the far future is refused at the limit', async () => {
  expect(check(await sign({ nowMs: nowMs + clockSkewMsMax }), nowMs)).toBeUndefined();
  expect(check(await sign({ nowMs: nowMs + clockSkewMsMax + 1 }), nowMs)).toBe('far_future');
  expect(check(await sign({ ttlMs: recordTtlMsMax + 1 }), nowMs)).toBe('far_future');
});

test('the largest record that the contract allows is under 1 KiB', async () => {
  const address = `${'a'.repeat(255)}:65535`;
  const record = await sign({ provider: { id: signer.id, address, region: 'r'.repeat(32) } });
  expect(JSON.stringify(record).length).toBeLessThan(1_024);
});

test('whatever is of the contract is judged and never thrown at', async () => {
  const held = await sign();
  const bytes = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });
  const hex = bytes(32).map(toHex);
  const base64url = (count: number) => bytes(count).map((drawn) => Buffer.from(drawn).toString('base64url'));
  const time = fc.oneof(fc.maxSafeNat(), fc.integer({ min: nowMs - 1_000, max: nowMs + 1_000 }));
  const text = fc.uint16Array({ minLength: 3, maxLength: 40 }).map((units) => String.fromCharCode(...units));
  const anyRecord = fc.record({
    key: hex,
    provider: fc.record({ id: hex, address: text }),
    public_key: base64url(32),
    issued_at: time,
    expires_at: time,
    sequence: fc.maxSafeNat(),
    signature: base64url(64),
  });
  expect(check({ ...held, provider: { ...provider, address: '\ud800:9700' } }, nowMs)).toBe('unsigned');
  fc.assert(
    fc.property(anyRecord, (record) => {
      expect(check(record, nowMs)).toBeDefined();
    }),
  );
});
