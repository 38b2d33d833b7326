import { expect, test } from 'vitest';
import type { Send } from './command.ts';
import { noFacts } from './facts.ts';
import { dueAtOnce } from './lifecycle.ts';
import { Machine } from './machine.ts';

const many = 1_000_000;
const limits = {
  attemptsMax: 5,
  retentionMs: 600_000,
  deadRetentionMs: 600_000,
  keyWindowMs: 600_000,
  keysMax: many,
  tenantMessagesMax: many,
  tenantBytesMax: many * 1_000,
  tenantBoxesMax: many,
  messagesMax: many,
  bytesMax: many * 1_000,
  boxesMax: many,
};
const key = { tenant: 't', box: 'b' };
const idOf = (number: number) => String(number).padStart(26, '0');

function machineWith(count: number, options: Partial<Send>): Machine {
  const nothing = () => undefined;
  const machine = new Machine({
    limits: () => limits,
    facts: noFacts,
    keySeed: 1,
    onOffered: nothing,
    onSent: nothing,
  });
  for (let number = 1; number <= count; number += 1) {
    const content = { body: { kind: 'text', text: 'x' }, headers: undefined } as const;
    const fixed = { op: 'send', ...key, id: idOf(number), sentWallMs: 0, content, sizeBytes: 1, jsonBytes: 3 } as const;
    const rest = { key: undefined, delayMs: 0, ttlMs: undefined, deadOnExpiry: false, group: undefined, priority: 0 };
    machine.apply({ ...fixed, ...rest, ...options });
  }
  return machine;
}

const receive = { op: 'receive', ...key, max: 100, bytesMax: many, visibilityMs: 1_000, nonce: 7 } as const;
const three = 3 * dueAtOnce;

test('however many delays end at once, one call deals with some of them, and later calls with all', () => {
  const machine = machineWith(three, { delayMs: 100 });
  machine.advance(100, 100);
  expect(machine.life.ledger.counts).toMatchObject({ ready: dueAtOnce, delayed: 2 * dueAtOnce });
  expect(machine.life.nextMs).toBeLessThanOrEqual(100);
  for (let call = 0; call < 3; call += 1) machine.advance(100, 100);
  expect(machine.life.ledger.counts).toMatchObject({ ready: three, delayed: 0 });
});

test('a lease that has ended is refused, also when its turn has not come yet', () => {
  const machine = machineWith(three, {});
  const leases = [];
  for (let call = 0; call * 100 < three; call += 1) leases.push(...machine.apply(receive));
  const refs = leases.map(({ message, fence, nonce }) => ({ id: message.id, fence, nonce }));
  expect(refs).toHaveLength(three);
  machine.advance(1_000, 1_000);
  const last = refs.slice(-100);
  expect(machine.apply({ op: 'ack', ...key, leases: last })).toEqual(last.map(() => false));
  expect(machine.life.messages.size).toBe(three);
});

test('what has expired is not delivered, also when its turn has not come yet', () => {
  const machine = machineWith(three + 1, { ttlMs: 100 });
  machine.advance(100, 100);
  for (let call = 0; call < 4; call += 1) expect(machine.apply(receive)).toEqual([]);
  expect(machine.life.messages.size).toBe(0);
  expect(machine.life.counters.expired).toBe(three + 1);
});
