import type { Clock } from '@ron/kernel';
import { expect, test } from 'vitest';
import { createRevocationList } from './revocation.ts';

let nowMs = 1000;
const clock: Clock = { wallMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel: () => undefined }) };
const identifier = { kid: 'k', id: '019ab4f2-c400-7abc-8def-0123456789ab', tenant: 't', subject: 's', audience: 'a' };
const idOf = (number: number) => identifier.id.slice(0, -4) + String(number).padStart(4, '0');

test('a full list refuses rather than forgets; what has expired makes room', () => {
  const list = createRevocationList(clock, 3);
  list.revokeCapability(idOf(1), 2000);
  list.revokeCapability(idOf(2));
  list.revokeCapability(idOf(3));
  expect(() => list.revokeCapability(idOf(4))).toThrow(/at most 3/);
  expect(list.isRevoked({ ...identifier, id: idOf(1) })).toBe(true);
  list.revokeCapability(idOf(2), 1);
  nowMs = 2000 + 120_000 - 1;
  expect(() => list.revokeCapability(idOf(4))).toThrow(/at most 3/);
  nowMs += 1;
  list.revokeCapability(idOf(4));
  expect([1, 2, 3, 4].map((number) => list.isRevoked({ ...identifier, id: idOf(number) }))).toEqual([
    false,
    true,
    true,
    true,
  ]);
});

test('subjects and keys are bounded too', () => {
  const list = createRevocationList(clock, 1);
  list.revokeSubject('t', 'other', 5);
  list.revokeSubject('t', 'other', 6);
  expect(() => list.revokeSubject('t', 's', 5)).toThrow(/at most 1/);
  list.revokeKey('other');
  list.revokeKey('other');
  expect(() => list.revokeKey('k')).toThrow(/at most 1/);
  expect(list.isRevoked(identifier)).toBe(false);
});

test('a subject and a key that have expired make room', () => {
  nowMs = 1000;
  const list = createRevocationList(clock, 1);
  list.revokeSubject('t', 's', Number.MAX_SAFE_INTEGER, 2000);
  list.revokeKey('k', 2000);
  expect(list.isRevoked(identifier)).toBe(true);
  nowMs = 2000 + 120_000;
  list.revokeSubject('t', 'other', 1);
  list.revokeKey('other');
  expect(list.isRevoked(identifier)).toBe(false);
});

test('a tenant and a subject that join to the same text are told apart', () => {
  const list = createRevocationList(clock);
  list.revokeSubject('t","s', 'x', Number.MAX_SAFE_INTEGER);
  expect(list.isRevoked({ ...identifier, tenant: 't', subject: 's","x' })).toBe(false);
});
