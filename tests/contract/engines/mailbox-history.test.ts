import { describe, expect, test } from 'vitest';
import {
  checkHistory,
  type Grant,
  type HistoryLimits,
  type Moment,
  type MoveCall,
  type ReceiveCall,
  type Rule,
  type SendCall,
  type SettleCall,
} from './mailbox-history.ts';

const limits: HistoryLimits = { attemptsMax: 3, keyWindowMs: 10_000, deadRetentionMs: 1_000_000 };
const box = 'b';

/** Everything takes 10 ms, unless `more` says otherwise. */
function send(atMs: number, id: string, more: Partial<SendCall> = {}): SendCall {
  const times = { invokedMs: atMs, respondedMs: atMs + 10 };
  const message = { id, key: undefined, group: undefined, ttlMs: 1_000_000, deadOnExpiry: false };
  return { op: 'send', box, ...times, ...message, answer: { id, duplicate: false }, ...more };
}

function receive(atMs: number, grants: readonly Grant[], more: Partial<ReceiveCall> = {}): ReceiveCall {
  return { op: 'receive', box, invokedMs: atMs, respondedMs: atMs + 10, visibilityMs: 1_000, grants, ...more };
}

function settle(op: SettleCall['op'], atMs: number, id: string, fence: number, ok: boolean | undefined): SettleCall {
  const respondedMs = ok === undefined ? undefined : atMs + 10;
  return { op, box, invokedMs: atMs, respondedMs, id, fence, visibilityMs: 1_000, ok };
}

function move(op: MoveCall['op'], atMs: number, id: string, ok: boolean | undefined = true): MoveCall {
  return { op, box, invokedMs: atMs, respondedMs: ok === undefined ? undefined : atMs + 10, id, ok };
}

function remains(atMs: number, alive: readonly string[] = [], dead: readonly string[] = []): Moment {
  return { op: 'remains', atMs, alive: new Set(alive), dead: new Set(dead) };
}

const grant = (id: string, fence = 1, attempt = fence): Grant => ({ id, fence, attempt });
const lostAnswer = { respondedMs: undefined, answer: undefined };
const restart = (downMs: number, upMs: number, repeatedMs = 0): Moment => ({ op: 'restart', downMs, upMs, repeatedMs });

const rules = (history: readonly Moment[]) => [...new Set(checkHistory(history, limits).map(({ rule }) => rule))];

const broken: readonly (readonly [Rule, string, readonly Moment[]])[] = [
  ['lost', 'an acknowledged message is nowhere', [send(0, 'a'), remains(500)]],
  [
    'lost',
    'a nack is no reason',
    [send(0, 'a'), receive(20, [grant('a')]), settle('nack', 40, 'a', 1, true), remains(500)],
  ],
  [
    'lost',
    'a stale ack is no reason',
    [send(0, 'a'), receive(20, [grant('a')]), settle('ack', 2_000, 'a', 1, false), remains(2_500)],
  ],
  [
    'lost',
    'expired, but a dead letter was asked for',
    [send(0, 'a', { ttlMs: 100, deadOnExpiry: true }), remains(500)],
  ],
  ['lost', 'a restart is no reason', [send(0, 'a'), restart(50, 80), remains(500)]],
  [
    'delivered after it was settled',
    'after an ack',
    [send(0, 'a'), receive(20, [grant('a')]), settle('ack', 40, 'a', 1, true), receive(60, [grant('a', 2)])],
  ],
  [
    'delivered after it was settled',
    'after an ack and a restart',
    [
      send(0, 'a'),
      receive(20, [grant('a')]),
      settle('ack', 40, 'a', 1, true),
      restart(60, 70),
      receive(5_000, [grant('a', 2)]),
    ],
  ],
  [
    'delivered after it was settled',
    'after a removal',
    [send(0, 'a'), move('remove', 20, 'a'), receive(60, [grant('a')])],
  ],
  [
    'delivered after it was settled',
    'still in the box',
    [send(0, 'a'), receive(20, [grant('a')]), settle('ack', 40, 'a', 1, true), remains(500, ['a'])],
  ],
  [
    'two live leases',
    'before the first can have ended',
    [send(0, 'a'), receive(20, [grant('a')]), receive(500, [grant('a', 2)])],
  ],
  [
    'two live leases',
    'although it was extended',
    [send(0, 'a'), receive(20, [grant('a')]), settle('extend', 900, 'a', 1, true), receive(1_500, [grant('a', 2)])],
  ],
  [
    'two live leases',
    'a restart ends no lease',
    [send(0, 'a'), receive(20, [grant('a')]), restart(100, 200), receive(500, [grant('a', 2)])],
  ],
  [
    'out of order in its group',
    'the second while the first is in flight',
    [send(0, 'a', { group: 'g' }), send(20, 'b', { group: 'g' }), receive(40, [grant('a')]), receive(60, [grant('b')])],
  ],
  [
    'out of order in its group',
    'the second first',
    [send(0, 'a', { group: 'g' }), send(20, 'b', { group: 'g' }), receive(40, [grant('b')])],
  ],
  [
    'out of order in its group',
    'the second while the first waits for its backoff',
    [
      send(0, 'a', { group: 'g' }),
      send(20, 'b', { group: 'g' }),
      receive(40, [grant('a')]),
      settle('nack', 60, 'a', 1, true),
      receive(80, [grant('b')]),
    ],
  ],
  ['sent twice', 'one key, two messages', [send(0, 'a', { key: 'k' }), send(20, 'b', { key: 'k' })]],
  [
    'sent twice',
    'one key, twice the first',
    [send(0, 'a', { key: 'k' }), send(20, 'b', { key: 'k', answer: { id: 'a', duplicate: false } })],
  ],
  [
    'sent twice',
    'the message of an unanswered send next to that of its repetition',
    [send(0, 'a', { key: 'k', ...lostAnswer }), send(20, 'b', { key: 'k' }), receive(40, [grant('a'), grant('b')])],
  ],
  [
    'fence went back',
    'after a restart',
    [send(0, 'a'), receive(20, [grant('a', 3, 1)]), restart(2_000, 2_010), receive(3_000, [grant('a', 2, 2)])],
  ],
  ['fence went back', 'the same twice', [send(0, 'a'), receive(20, [grant('a')]), receive(2_000, [grant('a', 1, 2)])]],
  [
    'ended lease accepted',
    'long after its end',
    [send(0, 'a'), receive(20, [grant('a')]), settle('ack', 1_100, 'a', 1, true)],
  ],
  [
    'ended lease accepted',
    'after another was given',
    [
      send(0, 'a'),
      receive(20, [grant('a')]),
      receive(1_025, [grant('a', 2)], { respondedMs: 1_026 }),
      settle('ack', 1_028, 'a', 1, true),
    ],
  ],
  [
    'ended lease accepted',
    'settled twice',
    [send(0, 'a'), receive(20, [grant('a')]), settle('nack', 40, 'a', 1, true), settle('ack', 60, 'a', 1, true)],
  ],
  ['ended lease accepted', 'a fence that nobody was given', [send(0, 'a'), settle('ack', 60, 'a', 1, true)]],
  ['live lease refused', 'in its time', [send(0, 'a'), receive(20, [grant('a')]), settle('ack', 60, 'a', 1, false)]],
  [
    'live lease refused',
    'after a restart',
    [send(0, 'a'), receive(20, [grant('a')]), restart(30, 40), settle('extend', 60, 'a', 1, false)],
  ],
  ['too many deliveries', 'one more than allowed', [send(0, 'a'), receive(20, [grant('a', 9, 4)])]],
  ['unknown message', 'never sent', [receive(20, [grant('a')])]],
];

describe('broken histories', () => {
  test.each(broken)('%s: %s', (rule, _what, history) => {
    expect(rules(history)).toEqual([rule]);
  });
});

const sound: readonly (readonly [string, readonly Moment[]])[] = [
  [
    'sent, delivered, acknowledged',
    [send(0, 'a'), receive(20, [grant('a')]), settle('ack', 40, 'a', 1, true), remains(500)],
  ],
  ['waiting at the end, or dead', [send(0, 'a'), send(20, 'b'), remains(500, ['a'], ['b'])]],
  [
    'a send without an answer may be lost or kept',
    [send(0, 'a', lostAnswer), send(0, 'b', lostAnswer), remains(500, ['b'])],
  ],
  [
    'an ack without an answer may have happened',
    [send(0, 'a'), receive(20, [grant('a')]), settle('ack', 40, 'a', 1, undefined), restart(45, 60), remains(500)],
  ],
  [
    'or not',
    [
      send(0, 'a'),
      receive(20, [grant('a')]),
      settle('ack', 40, 'a', 1, undefined),
      restart(45, 60),
      receive(1_200, [grant('a', 2)]),
      remains(1_500, ['a']),
    ],
  ],
  [
    'again after the lease has ended, the late holder fenced off',
    [
      send(0, 'a'),
      receive(20, [grant('a')]),
      receive(1_025, [grant('a', 2)]),
      settle('ack', 1_050, 'a', 1, false),
      settle('ack', 1_060, 'a', 2, true),
      remains(1_500),
    ],
  ],
  [
    'the clock stood still while the node was down, and repeats what it had not written down',
    [send(0, 'a'), receive(20, [grant('a')]), restart(500, 2_000, 400), settle('ack', 2_800, 'a', 1, true)],
  ],
  ['expired', [send(0, 'a', { ttlMs: 100 }), remains(500)]],
  [
    'in the order of the group, one after the other',
    [
      send(0, 'a', { group: 'g' }),
      send(20, 'b', { group: 'g' }),
      receive(40, [grant('a')]),
      settle('ack', 60, 'a', 1, true),
      receive(80, [grant('b')]),
    ],
  ],
  [
    'the next of the group after the last attempt of the first',
    [
      send(0, 'a', { group: 'g' }),
      send(20, 'b', { group: 'g' }),
      receive(40, [grant('a', 3)]),
      settle('nack', 60, 'a', 3, true),
      receive(80, [grant('b')]),
      remains(90, ['b'], ['a']),
    ],
  ],
  [
    'the next of the group after deliveries that nobody heard of',
    [
      send(0, 'a', { group: 'g' }),
      send(20, 'b', { group: 'g' }),
      ...[100, 200, 300].map((atMs) => receive(atMs, [], { respondedMs: undefined })),
      restart(310, 320),
      receive(2_000, [grant('b')]),
    ],
  ],
  ['a repetition', [send(0, 'a', { key: 'k' }), send(20, 'b', { key: 'k', answer: { id: 'a', duplicate: true } })]],
  ['the same key after its window', [send(0, 'a', { key: 'k' }), send(10_020, 'b', { key: 'k' })]],
  [
    'a redriven letter comes with fresh attempts and a higher fence',
    [
      send(0, 'a'),
      receive(20, [grant('a', 3)]),
      settle('nack', 40, 'a', 3, true),
      move('redrive', 60, 'a'),
      receive(80, [grant('a', 4, 1)]),
    ],
  ],
];

test.each(sound)('a sound history: %s', (_what, history) => {
  expect(checkHistory(history, limits)).toEqual([]);
});
