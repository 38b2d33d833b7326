import { mailboxLimits as limit } from '@ron/proto/mailbox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bed, codeOf, startMailboxes } from '../test-bed.ts';

let bed: Bed;
const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

beforeAll(async () => {
  bed = await startMailboxes();
  await bed.send('a', 'before');
});

afterAll(() => bed[Symbol.asyncDispose]());

const accepted = 'accepted';
const bad = 'bad_request';
const large = 'payload_too_large';

/** A refused request leaves everything as it was. */
async function outcome(work: () => Promise<unknown>): Promise<string> {
  const before = await bed.everything();
  const code = await codeOf(bed, work());
  if (code !== accepted && code !== 'not_found') expect(await bed.everything()).toEqual(before);
  return code;
}

const send = (fields: object) => outcome(() => bed.box.send({ box: 'a', ...fields }));
const base64 = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64');
const headers = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`h${index}`, 'v']));

describe('what a message may be', () => {
  test.each<[string, object, string]>([
    ['text of 262,143 bytes', { body: 'x'.repeat(limit.bodyBytesMax - 1) }, accepted],
    ['text of 262,144 bytes', { body: 'x'.repeat(limit.bodyBytesMax) }, accepted],
    ['text of 262,145 bytes', { body: 'x'.repeat(limit.bodyBytesMax + 1) }, large],
    ['262,144 bytes in characters of two', { body: 'ß'.repeat(131_072) }, accepted],
    ['262,145 bytes in characters of two and one', { body: `${'ß'.repeat(131_072)}x` }, large],
    ['262,144 bytes in characters of three and one', { body: `${'€'.repeat(87_381)}x` }, accepted],
    ['262,146 bytes in characters of three', { body: '€'.repeat(87_382) }, large],
    ['262,144 bytes in characters of four', { body: '🦀'.repeat(65_536) }, accepted],
    ['262,145 bytes in characters of four and one', { body: `${'🦀'.repeat(65_536)}x` }, large],
    ['JSON of 786,431 bytes', { body: `${'\u0001'.repeat(131_071)}xxx` }, accepted],
    ['JSON of 786,432 bytes', { body: `${'\u0001'.repeat(131_071)}xxxx` }, accepted],
    ['JSON of 786,433 bytes', { body: `${'\u0001'.repeat(131_071)}xxxxx` }, large],
    ['no byte', { body: '' }, accepted],
    ['262,143 bytes as base64', { body_base64: base64(limit.bodyBytesMax - 1) }, accepted],
    ['262,144 bytes as base64', { body_base64: base64(limit.bodyBytesMax) }, accepted],
    ['262,145 bytes as base64', { body_base64: base64(limit.bodyBytesMax + 1) }, large],
    ['no byte as base64', { body_base64: '' }, accepted],
    ['base64 without its padding', { body_base64: 'AA' }, bad],
    ['base64 with too much padding', { body_base64: 'AAEC====' }, bad],
    ['base64 whose last bits are set', { body_base64: 'AB==' }, bad],
    ['base64 for URLs', { body_base64: '-_8=' }, bad],
    ['base64 with a line break', { body_base64: 'AAEC\nAAEC' }, bad],
    ['an address', { address: `b3:${'0f'.repeat(32)}` }, accepted],
    ['an address in upper case', { address: `b3:${'0F'.repeat(32)}` }, bad],
    ['an address of 63 digits', { address: `b3:${'0'.repeat(63)}` }, bad],
    ['no body', {}, bad],
    ['two bodies', { body: '', body_base64: '' }, bad],
    ['three bodies', { body: '', body_base64: '', address: `b3:${'0'.repeat(64)}` }, bad],
    ['half a surrogate pair', { body: 'a\ud800' }, bad],
    ['a body that is no text', { body: 7 }, bad],
    ['a field that nobody knows', { body: '', bodi: '' }, bad],
  ])('%s', async (_what, fields, code) => {
    expect(await send(fields)).toBe(code);
  });
});

describe('headers', () => {
  test.each<[string, object, string]>([
    ['15 of them', headers(15), accepted],
    ['16 of them', headers(16), accepted],
    ['17 of them', headers(17), bad],
    ['4,095 bytes', { a: 'x'.repeat(4_094) }, accepted],
    ['4,096 bytes', { a: 'x'.repeat(4_095) }, accepted],
    ['4,097 bytes', { a: 'x'.repeat(4_096) }, bad],
    ['4,096 bytes in characters of two', { ab: 'ß'.repeat(2_047) }, accepted],
    ['4,097 bytes in characters of two', { ab: 'ß'.repeat(2_047), c: '' }, bad],
    ['a number under a bad name', { A: 1 }, bad],
    ['a name of 64 characters', { ['a'.repeat(64)]: '' }, accepted],
    ['a name of 65 characters', { ['a'.repeat(65)]: '' }, bad],
    ['a name without a character', { '': '' }, bad],
    ['a name in upper case', { Trace: '' }, bad],
    ['a name with a space', { 'a b': '' }, bad],
    ['a name with a line break', { 'a\n': '' }, bad],
    ['half a surrogate pair', { a: '\udfff' }, bad],
    ['a value that is no text', { a: 1 }, bad],
  ])('%s', async (_what, given, code) => {
    expect(await send({ body: 'x', headers: given })).toBe(code);
  });

  test('come as they were sent, whatever they are called', async () => {
    const given = JSON.parse('{"__proto__":"p","constructor":"c","x-a.b_c":"line\\nbreak"}') as Record<string, string>;
    await bed.run(bed.box.send({ box: 'headers', body: 'x', headers: given }));
    const { messages } = await bed.run(bed.box.recv({ box: 'headers' }));
    expect(JSON.stringify(messages[0]!.headers)).toBe(JSON.stringify(given));
  });
});

describe('numbers and texts of a request, at -1, 0 and +1', () => {
  const fields = (name: string, low: number, high: number): [object, string][] => [
    [{ [name]: low - 1 }, bad],
    [{ [name]: low }, accepted],
    [{ [name]: high - 1 }, accepted],
    [{ [name]: high }, accepted],
    [{ [name]: high + 1 }, bad],
    [{ [name]: low + 0.5 }, bad],
    [{ [name]: String(low) }, bad],
  ];
  const texts = (name: string, max: number): [object, string][] => [
    [{ [name]: '' }, bad],
    [{ [name]: 'x'.repeat(max - 1) }, accepted],
    [{ [name]: 'x'.repeat(max) }, accepted],
    [{ [name]: 'x'.repeat(max + 1) }, bad],
  ];

  test.each<[object, string]>([
    ...fields('delay_ms', 0, limit.delayMsMax),
    ...fields('ttl_ms', 1, limit.ttlMsMax),
    ...fields('priority', 0, limit.priorityMax),
    ...texts('idempotency_key', 128),
    ...texts('group', 253),
    [{ group: 'g\ud800' }, bad],
    [{ dead_letter_on_expiry: 'yes' }, bad],
  ])('send %o', async (given, code) => {
    expect(await send({ body: 'x', ...given })).toBe(code);
  });

  test.each<[object, string]>([
    ...fields('max', 1, limit.messagesMax),
    ...fields('wait_ms', 0, limit.waitMsMax),
    ...fields('visibility_ms', limit.visibilityMsMin, limit.visibilityMsMax),
  ])('recv %o', async (given, code) => {
    expect(await outcome(() => bed.box.recv({ box: 'nothing', ...given }))).toBe(code);
  });

  test.each<[object, string]>([
    ...fields('credit', 1, limit.creditMax),
    ...fields('visibility_ms', limit.visibilityMsMin, limit.visibilityMsMax),
    [{ peek: true, credit: 1 }, bad],
    [{ peek: true, visibility_ms: 250 }, bad],
  ])('subscribe %o', async (given, code) => {
    const work = async () => {
      const { body } = await bed.box.subscribe({ box: 'nothing', ...given });
      await body[Symbol.asyncIterator]().return?.();
    };
    expect(await outcome(work)).toBe(code);
  });

  /** A lease that is none is a conflict: the request itself was well-formed. */
  const stale = 'conflict';
  const leases = (count: number) => Array.from({ length: count }, (_, index) => `lease-${index}`);

  test.each<[object, string]>([
    [{ leases: [] }, bad],
    [{ leases: leases(1) }, stale],
    [{ leases: leases(99) }, stale],
    [{ leases: leases(100) }, stale],
    [{ leases: leases(101) }, bad],
    [{ leases: [''] }, bad],
    [{ leases: ['x'.repeat(127)] }, stale],
    [{ leases: ['x'.repeat(128)] }, stale],
    [{ leases: ['x'.repeat(129)] }, bad],
    [{ leases: [7] }, bad],
    [{ leases: 'lease' }, bad],
    [{}, bad],
  ])('leases %o', async (given, code) => {
    const input = { box: 'a', ...given } as { box: string; leases: string[] };
    for (const settle of [
      bed.box.ack,
      bed.box.nack,
      (one: typeof input) => bed.box.extend({ ...one, visibility_ms: 250 }),
    ]) {
      const before = await bed.everything();
      const settled = await codeOf(bed, settle(input));
      expect(settled).toBe(code);
      const { counters, ...rest } = await bed.everything();
      const { staleLeases: _count, ...same } = counters;
      expect({ ...rest, counters: same }).toMatchObject({ ...before, counters: same });
    }
  });

  test.each<[object, string]>([
    [{ reason: 'x'.repeat(255) }, stale],
    [{ reason: 'x'.repeat(256) }, stale],
    [{ reason: 'x'.repeat(257) }, bad],
    [{ reason: '\udc00' }, bad],
    [{ delay_ms: -1 }, bad],
    [{ delay_ms: 0 }, stale],
    [{ delay_ms: limit.delayMsMax }, stale],
    [{ delay_ms: limit.delayMsMax + 1 }, bad],
  ])('nack %o', async (given, code) => {
    expect(await codeOf(bed, bed.box.nack({ box: 'a', leases: ['none'], ...given }))).toBe(code);
  });

  test.each<[number, string]>([
    [249, bad],
    [250, stale],
    [43_200_000, stale],
    [43_200_001, bad],
  ])('extend by %i ms', async (visibility_ms, code) => {
    expect(await codeOf(bed, bed.box.extend({ box: 'a', leases: ['none'], visibility_ms }))).toBe(code);
  });

  test.each<[object, string]>([
    [{ ids: [] }, bad],
    [{ ids: Array.from({ length: 999 }, () => id) }, accepted],
    [{ ids: Array.from({ length: 1_000 }, () => id) }, accepted],
    [{ ids: Array.from({ length: 1_001 }, () => id) }, bad],
    [{ ids: [id.toLowerCase()] }, bad],
    [{ ids: [`8${id.slice(1)}`] }, bad],
    [{ ids: [id.slice(1)] }, bad],
  ])('redrive and purge %#', async (given, code) => {
    for (const move of [bed.box.redrive, bed.box.purge]) {
      expect(await outcome(() => move({ box: 'a', ...given }))).toBe(code);
    }
  });

  test.each(['dead_letters', 'boxes'] as const)('pages of %s', async (operation) => {
    for (const [count, code] of [
      [0, bad],
      [1, accepted],
      [99, accepted],
      [100, accepted],
      [101, bad],
    ] as const) {
      const asked = () =>
        operation === 'boxes' ? bed.box.boxes({ limit: count }) : bed.box.dead_letters({ box: 'a', limit: count });
      expect(await outcome(asked), `limit ${count}`).toBe(code);
    }
  });
});

const noBox = [
  ['nothing', ''],
  ['upper case', 'Inbox'],
  ['two labels', 'in/box'],
  ['a slash alone', '/'],
  ['a way up', '..'],
  ['a dot', '.'],
  ['a space', 'in box'],
  ['a line break', 'inbox\n'],
  ['a zero', 'in\0box'],
  ['64 characters', 'x'.repeat(64)],
  ['another normalization', 'cafe\u0301'],
  ['letters of two scripts', 'inb\u043ex'],
  ['half a surrogate pair', 'a\ud800'],
  ['no text', 7],
] as const;

test.each(noBox)('no operation takes a box whose name is %s', async (_what, name) => {
  const box = name as string;
  const { box: peer } = bed;
  const asked: [string, () => Promise<unknown>][] = [
    ['send', () => peer.send({ box, body: 'x' })],
    ['recv', () => peer.recv({ box })],
    ['ack', () => peer.ack({ box, leases: ['x'] })],
    ['nack', () => peer.nack({ box, leases: ['x'] })],
    ['extend', () => peer.extend({ box, leases: ['x'], visibility_ms: 250 })],
    ['remove', () => peer.remove({ box, id })],
    ['subscribe', () => peer.subscribe({ box })],
    ['peek', () => peer.subscribe({ box, peek: true })],
    ['dead_letters', () => peer.dead_letters({ box })],
    ['redrive', () => peer.redrive({ box })],
    ['purge', () => peer.purge({ box })],
    ['stats', () => peer.stats({ box })],
  ];
  for (const [operation, ask] of asked) expect([operation, await outcome(ask)]).toEqual([operation, bad]);
});

test('63 characters and letters of one script are a box', async () => {
  for (const box of ['x'.repeat(63), 'café', 'почта', 'a.b-c_d']) {
    expect(await outcome(() => bed.box.send({ box, body: 'x' }))).toBe(accepted);
  }
});

const position = `12.${id}`;
const leasing = `s.${id}.3`;
const cursors = [
  '',
  'x',
  '-1.',
  '1',
  '1.x',
  `1e3.${id}`,
  `99999999999999999.${id}`,
  `${position} `,
  `s.${id}.`,
  '\ud800',
];

test('cursors of another kind, or of none, are refused by every operation that takes one', async () => {
  const asks: [string, readonly string[], (cursor: string) => Promise<unknown>][] = [
    ['dead_letters', [...cursors, leasing], (cursor) => bed.box.dead_letters({ box: 'a', cursor })],
    ['roots', [...cursors, leasing], (cursor) => bed.peer('').roots({ cursor })],
    ['subscribe', [...cursors, position], (cursor) => bed.box.subscribe({ box: 'a', cursor })],
    ['peek', [...cursors, leasing], (cursor) => bed.box.subscribe({ box: 'a', cursor, peek: true })],
    ['boxes', ['', 'A', 'a/b', '..', '\ud800'], (cursor) => bed.box.boxes({ cursor })],
  ];
  for (const [operation, refused, ask] of asks) {
    for (const cursor of refused)
      expect([operation, cursor, await outcome(() => ask(cursor))]).toEqual([operation, cursor, bad]);
  }
});
