import { describe, expect, it } from 'vitest';
import type { Standing } from './facts.ts';
import { noFacts } from './facts.ts';
import { Machine } from './machine.ts';
import { ordersPerMs, Restorer } from './restore.ts';

const limits = {
  ...{ attemptsMax: 5, retentionMs: 1e9, deadRetentionMs: 1e9, keyWindowMs: 1e6, keysMax: 1 },
  ...{ tenantMessagesMax: 10, tenantBytesMax: 1e9, tenantBoxesMax: 2, messagesMax: 10, bytesMax: 1e9, boxesMax: 2 },
};
const fresh: Standing = {
  ...{ state: 'ready', order: 1, dueMs: 0, expiresMs: 1e9, attempt: 0, fence: 0, nonce: 0 },
  ...{ failures: [], cause: undefined, deadWallMs: 0 },
};
const place = { segment: 1, offsetBytes: 64, payloadBytes: 100 };
const idOf = (name: string) => name.padStart(26, '0');

function originOf(name: string) {
  const fixed = { sentWallMs: 1, sentMs: 0, sizeBytes: 1, jsonBytes: 3, address: undefined, group: undefined };
  return {
    ...fixed,
    id: idOf(name),
    priority: 0,
    deadOnExpiry: false,
    attemptsMax: 5,
    deadRetentionMs: 1e9,
    retentionMs: 1e9,
  };
}

function begin() {
  const ports = {
    limits: () => limits,
    facts: noFacts,
    keySeed: 1,
    onOffered: () => undefined,
    onSent: () => undefined,
  };
  const machine = new Machine(ports);
  const restorer = new Restorer(machine);
  const tell = (name: string, standing: Partial<Standing> = {}, box = 'b') =>
    restorer.message({ tenant: 't', box }, originOf(name), { ...fresh, ...standing }, undefined, place);
  return { machine, restorer, tell };
}

const alive = ({ life }: Machine, box = 'b') => {
  const ids: string[] = [];
  let message = life.ledger.find({ tenant: 't', box })?.alive.first;
  for (; message !== undefined; message = message.boxNext) ids.push(message.id);
  return ids;
};

const failed = (attempt: number, wallMs: number) => ({ attempt, wallMs, outcome: 'nack' as const, reason: undefined });

describe('facts, read in order', () => {
  it('come to the same when they are told twice', () => {
    const once = begin();
    const twice = begin();
    const facts = ({ restorer, tell }: ReturnType<typeof begin>) => {
      tell('1');
      restorer.changed(idOf('1'), { ...fresh, state: 'leased', attempt: 1, fence: 1, dueMs: 50 }, undefined);
      restorer.changed(idOf('1'), { ...fresh, state: 'delayed', attempt: 1, fence: 1, dueMs: 70 }, failed(1, 9));
      tell('2', { order: 2 });
      restorer.gone(idOf('2'));
    };
    facts(once);
    for (let time = 0; time < 2; time += 1) facts(twice);
    for (const { machine, restorer } of [once, twice]) {
      restorer.finish();
      const message = machine.life.messages.get(idOf('1'))!;
      expect(message).toMatchObject({ state: 'delayed', attempt: 1, fence: 1, failures: [failed(1, 9)], ...place });
      expect(alive(machine)).toEqual([idOf('1')]);
      expect(machine.nextOrder).toBe((machine.life.nowMs + 1) * ordersPerMs);
    }
  });

  it('of messages that are not known are passed over', () => {
    const { machine, restorer } = begin();
    restorer.changed(idOf('1'), fresh, failed(1, 1));
    restorer.gone(idOf('1'));
    restorer.finish();
    expect(machine.life.messages.size).toBe(0);
  });

  it('of a message that was carried replace what was told before, history and place too', () => {
    const { machine, restorer, tell } = begin();
    tell('1');
    restorer.changed(idOf('1'), { ...fresh, attempt: 1 }, failed(1, 1));
    const standing = { ...fresh, attempt: 2, failures: [failed(1, 1), failed(2, 2)] };
    restorer.message({ tenant: 't', box: 'b' }, originOf('1'), standing, undefined, { ...place, segment: 9 });
    restorer.changed(idOf('1'), { ...fresh, attempt: 2 }, failed(2, 2));
    restorer.finish();
    const message = machine.life.messages.get(idOf('1'));
    expect(message).toMatchObject({ segment: 9, attempt: 2, failures: [failed(1, 1), failed(2, 2)] });
  });

  it('keep the latest sixteen failures', () => {
    const { machine, restorer, tell } = begin();
    tell('1');
    for (let attempt = 1; attempt <= 20; attempt += 1)
      restorer.changed(idOf('1'), { ...fresh, attempt }, failed(attempt, attempt));
    restorer.finish();
    const attempts = machine.life.messages.get(idOf('1'))!.failures.map((one) => one.attempt);
    expect(attempts).toEqual(Array.from({ length: 16 }, (_, index) => index + 5));
  });

  it('put the living in the order of sending and the dead in that of their deaths, by the mailbox clock', () => {
    const { machine, restorer, tell } = begin();
    tell('3', { order: 3 });
    tell('1', { order: 1 });
    tell('5', { state: 'dead', cause: 'attempts', order: 5, dueMs: 1e9 + 7, deadWallMs: 1 });
    tell('4', { state: 'dead', cause: 'attempts', order: 4, dueMs: 1e9 + 5, deadWallMs: 2 });
    restorer.finish();
    expect(alive(machine)).toEqual([idOf('1'), idOf('3')]);
    const dead = machine.life.ledger.find({ tenant: 't', box: 'b' })!.dead;
    expect([dead.first?.id, dead.last?.id]).toEqual([idOf('4'), idOf('5')]);
    expect(machine.nextOrder).toBe((machine.life.nowMs + 1) * ordersPerMs);
  });
});

it('no box with a message is forgotten, however many are told of and however few there may be', () => {
  const { machine, restorer, tell } = begin();
  for (let count = 1; count <= 9; count += 1) tell(`${count}`, { order: count }, `box${count}`);
  for (let count = 2; count <= 6; count += 1) restorer.gone(idOf(`${count}`));
  restorer.finish();
  for (const count of [1, 7, 8, 9]) expect(alive(machine, `box${count}`)).toEqual([idOf(`${count}`)]);
  expect(machine.life.ledger.boxes).toBe(4);
});

describe('keys', () => {
  const key = (untilMs: number) => ({ hash: 'h'.repeat(16), digest: 'd'.repeat(16), untilMs });

  it('belong to the message that had them last, also when an older record comes later', () => {
    const { machine, restorer } = begin();
    restorer.key(key(100), idOf('1'));
    restorer.key(key(300), idOf('2'));
    restorer.key(key(100), idOf('1'));
    restorer.finish();
    expect(machine.keys.find(key(0).hash, 200)).toMatchObject({ id: idOf('2'), untilMs: 300 });
  });

  it('are all kept, though the limit is lower by now', () => {
    const { machine, restorer } = begin();
    for (let count = 0; count < 5; count += 1) restorer.key({ ...key(1e6), hash: `${count}`.repeat(16) }, idOf('1'));
    expect(machine.keys.size).toBe(5);
  });
});
