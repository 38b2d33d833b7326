import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BoxStats } from '@ron/proto/mailbox';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { many } from './attack.ts';
import { Mailboxes } from './mailbox-attack.ts';
import { baseline, expectRefusal } from './oracle.ts';
import { ask } from './raw-http.ts';
import { envelopeOf, eventually, payloadMark } from './signs.ts';

const attemptsMax = 100;
const boxesMax = 24;
let folder: string;
let node: NodeProcess;
let mailboxes: Mailboxes;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ron-redteam-'));
  node = await startNodeProcess({
    args: [
      ...['--persist', folder, '--set', 'server.log_level=info'],
      ...['--set', `mailbox.attempts_max=${attemptsMax}`, '--set', `mailbox.tenant_boxes_max=${boxesMax}`],
    ],
  });
  mailboxes = new Mailboxes(node);
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const badRequest = { status: 400, code: 'bad_request' };
const conflict = { status: 409, code: 'conflict' };
const answerOf = (body: Buffer) => JSON.parse(body.toString()) as { id: string; duplicate: boolean };

describe('idempotency keys', () => {
  it('one key 100 times at once: one id, one message', async () => {
    const before = await baseline(node);
    const answers: { id: string; duplicate: boolean }[] = [];
    await many(100, 50, async () => {
      const reply = await mailboxes.post('keys', 'send', { body: payloadMark, idempotency_key: 'same' });
      expect(reply.status).toBe(200);
      answers.push(answerOf(reply.body));
    });
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(await mailboxes.receive('keys', { max: 100 })).toHaveLength(1);
    await before.survived();
  });

  it('two bodies race for one key: one wins, the other is a conflict every time', async () => {
    const before = await baseline(node);
    const won = new Map<string, Set<string>>();
    await many(100, 50, async (index) => {
      const body = index % 2 === 0 ? 'even' : 'odd';
      const reply = await mailboxes.post('race', 'send', { body, idempotency_key: 'raced' });
      if (reply.status === 409) expect(envelopeOf(reply).code).toBe('conflict');
      else won.set(body, (won.get(body) ?? new Set()).add(answerOf(reply.body).id));
    });
    expect([...won.values()].map((ids) => ids.size)).toEqual([1]);
    expect((await mailboxes.receive('race', { max: 100 })).map(({ body }) => body)).toEqual([...won.keys()]);
    await before.survived({ counted: 'conflict' });
  });

  it('another body, header or group under a used key is refused and names nothing of either', async () => {
    const sent = { body: payloadMark, idempotency_key: 'used' };
    await mailboxes.send('used', sent);
    for (const more of [{ body: 'other' }, { headers: { a: 'b' } }, { group: 'g' }, { priority: 9 }, { delay_ms: 1 }]) {
      await expectRefusal(node, conflict, () => mailboxes.post('used', 'send', { ...sent, ...more }));
    }
    expect((await mailboxes.stats('used'))['ready']).toBe(1);
  });
});

describe('leases', () => {
  it('stale, foreign, forged and malformed ones change nothing', async () => {
    for (const box of ['own', 'other']) await mailboxes.send(box, { body: payloadMark });
    const [stale] = await mailboxes.receive('own', { visibility_ms: 60_000 });
    await mailboxes.post('own', 'nack', { leases: [stale!.lease], delay_ms: 0 });
    const [held] = await mailboxes.receive('own', { visibility_ms: 60_000 });
    const [foreign] = await mailboxes.receive('other', { visibility_ms: 60_000 });
    const [id, fence, nonce] = held!.lease.split('.') as [string, string, string];
    const wrong = [
      stale!.lease,
      foreign!.lease,
      `${id}.${fence}.${nonce === '1' ? '2' : '1'}`,
      `${id}.${Number(fence) + 1}.${nonce}`,
      `${foreign!.id}.${fence}.${nonce}`,
      `${id}.${fence}`,
      held!.lease.toLowerCase(),
      ` ${held!.lease}`,
      '../../etc/passwd',
      '\u0000',
      'x'.repeat(128),
    ];
    const inputs = { ack: {}, nack: { delay_ms: 0 }, extend: { visibility_ms: 250 } };
    for (const [operation, input] of Object.entries(inputs)) {
      await expectRefusal(node, conflict, () => mailboxes.post('own', operation, { leases: wrong, ...input }));
    }
    await expectRefusal(node, badRequest, () => mailboxes.post('own', 'ack', { leases: ['x'.repeat(129)] }));
    expect(await mailboxes.stats('own')).toMatchObject({ ready: 0, in_flight: 1 });
    const twice = await mailboxes.post('own', 'ack', { leases: [held!.lease, held!.lease] });
    expect(JSON.parse(twice.body.toString()).results.map(({ ok }: { ok: boolean }) => ok)).toEqual([true, false]);
  });

  it('400 acks of 100 forged leases each at once: refused one by one, and mailboxes stay writable', async () => {
    const before = await baseline(node);
    const leases = Array.from({ length: 100 }, (_, index) => `01ARZ3NDEKTSV4RRFFQ69G5FAV.1.${index + 1}`);
    const replies = await Promise.all(
      Array.from({ length: 400 }, (_, index) =>
        mailboxes.postFrom(`127.0.0.${2 + (index % 8)}`, 'forged', 'ack', { leases }),
      ),
    );
    expect([...new Set(replies.map(({ status }) => status))].every((status) => status === 409 || status === 503)).toBe(
      true,
    );
    // So much at once may have been pressure for a moment.
    await eventually(async () => (await ask(node.port, { target: '/readyz' })).status === 200, { what: 'it is ready' });
    await mailboxes.send('forged', { body: 'still' });
    await before.survived({ counted: 'conflict' });
  });

  it('10,000 nacks make 100 dead letters, each with a bounded history', async () => {
    const before = await baseline(node);
    for (let number = 0; number < 100; number++) await mailboxes.send('nacked', { body: `${number}` });
    for (let round = 0; round < attemptsMax; round++) {
      const leases = (await mailboxes.receive('nacked', { max: 100 })).map(({ lease }) => lease);
      expect(leases).toHaveLength(100);
      const reply = await mailboxes.post('nacked', 'nack', { leases, delay_ms: 0, reason: payloadMark });
      expect(reply.status).toBe(200);
    }
    expect(await mailboxes.stats('nacked')).toMatchObject({ ready: 0, in_flight: 0, dead: 100 });
    const page = JSON.parse((await mailboxes.get('/mailbox/nacked/dlq?limit=100')).body.toString());
    expect(page.messages).toHaveLength(100);
    for (const { history, attempt } of page.messages) expect([history.length, attempt]).toEqual([16, attemptsMax]);
    await before.survived();
  });
});

describe('poison', () => {
  const bodies = {
    'control characters': String.fromCharCode(...Array(32).keys(), 127),
    'line breaks of an event stream': 'a\r\n\r\nevent: ack\ndata: {}\n\nid: 1\u2028\u2029',
    'deep JSON': '['.repeat(131_072) + ']'.repeat(131_072),
    '256 KiB of quotes': '"'.repeat(262_144),
    'what looks like a prototype': '{"__proto__":{"admin":true}}',
  };
  for (const [what, body] of Object.entries(bodies)) {
    it(`${what} as a body come back as they were`, async () => {
      const before = await baseline(node);
      const id = await mailboxes.send('poison', { body });
      const [received] = await mailboxes.receive('poison');
      expect([received!.id, received!.body === body]).toEqual([id, true]);
      expect((await mailboxes.post('poison', 'ack', { leases: [received!.lease] })).status).toBe(200);
      await before.survived();
    });
  }

  it('bodies of more than 256 KiB, or of more than 768 KiB as JSON, are refused', async () => {
    const tooLarge = { status: 413, code: 'payload_too_large' };
    await expectRefusal(node, tooLarge, () => mailboxes.post('poison', 'send', { body: 'é'.repeat(131_073) }));
    await expectRefusal(node, tooLarge, () => mailboxes.post('poison', 'send', { body: '\u0001'.repeat(131_072) }));
    await expectRefusal(node, tooLarge, () => mailboxes.post('poison', 'send', { body: 'x'.repeat(262_145) }));
    await expectRefusal(node, tooLarge, () => mailboxes.post('poison', 'send', { body: 'x'.repeat(1_100_000) }));
  });

  it('requests that are not what they should be are refused', async () => {
    const header = (count: number, value: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`h${index}`, value]));
    const wrong = {
      'deep JSON': `{"body":"x","headers":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
      'half a surrogate pair': '{"body":"\\ud800"}',
      'half a pair in a header': '{"body":"x","headers":{"a":"\\udfff"}}',
      'half a pair in a group': '{"body":"x","group":"\\ud800"}',
      '17 headers': { body: 'x', headers: header(17, 'v') },
      '4,097 bytes of headers': { body: 'x', headers: { a: 'é'.repeat(2_048) } },
      'a line break in the name of a header': { body: 'x', headers: { 'a\r\nb': 'c' } },
      'an upper-case header': { body: 'x', headers: { A: 'c' } },
      'a key that is too long': { body: 'x', idempotency_key: 'k'.repeat(129) },
      'an empty key': { body: 'x', idempotency_key: '' },
      NaN: '{"body":"x","priority":NaN}',
      'a negative delay': { body: 'x', delay_ms: -1 },
      'a prototype': '{"body":"x","headers":{"__proto__":"y"}}',
      'no object': '[]',
      'a number as body': { body: 1 },
    };
    for (const input of Object.values(wrong)) {
      await expectRefusal(node, badRequest, () => mailboxes.post('poison', 'send', input));
    }
    for (const box of ['..', '%2e%2e', 'Upper', 'p%D0%B0ypal', 'a%00b', 'a%0d%0ab', '-', 'e%CC%81', 'x'.repeat(64)]) {
      const reply = await mailboxes.post(box, 'send', { body: 'x' });
      expect([400, 404], box).toContain(reply.status);
    }
  });

  it('headers with line breaks come back as text, one called constructor too', async () => {
    const headers = { constructor: 'c', tostring: 't', 'a.b': 'x\r\nSet-Cookie: y=1\r\n\r\n' };
    await mailboxes.send('poison', { body: 'h', headers });
    const reply = await mailboxes.post('poison', 'recv', {});
    expect(reply.headers['set-cookie']).toBeUndefined();
    const [received] = JSON.parse(reply.body.toString()).messages;
    expect(Object.entries(received.headers).sort()).toEqual(Object.entries(headers).sort());
    expect((await mailboxes.post('poison', 'ack', { leases: [received.lease] })).status).toBe(200);
  });
});

describe('one tenant with many boxes', () => {
  it(`has ${boxesMax}, and is told so for the next; the others work on`, async () => {
    const before = await baseline(node);
    let box = 0;
    let refused = await mailboxes.post('many-0', 'send', { body: 'x' });
    while (refused.status === 200 && box < 1_000)
      refused = await mailboxes.post(`many-${++box}`, 'send', { body: 'x' });
    expect([refused.status, envelopeOf(refused).code]).toEqual([429, 'quota_exhausted']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    await mailboxes.send('many-0', { body: 'more' });
    for (let read = 0; read < 100; read++) await mailboxes.receive(`never-sent-to-${read}`);
    const listed = JSON.parse((await mailboxes.get('/mailbox?limit=100')).body.toString()) as { boxes: BoxStats[] };
    expect(listed.boxes.filter(({ box: name }) => name.startsWith('never'))).toEqual([]);
    const busy = listed.boxes.filter((one) => one.ready + one.delayed + one.in_flight + one.dead > 0);
    expect(busy).toHaveLength(boxesMax);
    for (let drained = 0; drained < box; drained++) {
      const leases = (await mailboxes.receive(`many-${drained}`, { max: 10 })).map(({ lease }) => lease);
      await mailboxes.post(`many-${drained}`, 'ack', { leases });
    }
    await mailboxes.send('many-again', { body: 'room again' });
    await before.survived({ counted: 'quota_exhausted', corrId: envelopeOf(refused).corr_id });
  });
});
