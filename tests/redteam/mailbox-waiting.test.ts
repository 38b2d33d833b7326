import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, residentBytes, startNodeProcess } from '../support/node-process.ts';
import { many } from './attack.ts';
import { Mailboxes } from './mailbox-attack.ts';
import { baseline, expectRefusal } from './oracle.ts';
import { envelopeOf, eventually, metricsOf, payloadMark } from './signs.ts';

const MiB = 1_048_576;
const waitersMax = 12;
let node: NodeProcess;
let mailboxes: Mailboxes;
beforeAll(async () => {
  node = await startNodeProcess({
    args: ['--set', 'server.log_level=info', '--set', `mailbox.waiters_max=${waitersMax}`],
  });
  mailboxes = new Mailboxes(node);
});
afterAll(() => node[Symbol.asyncDispose]());

const badRequest = { status: 400, code: 'bad_request' };
const noneWaits = () =>
  eventually(async () => (await mailboxes.post('probe', 'recv', { wait_ms: 1 })).status === 200, {
    what: 'there is room to wait',
  });

describe('long polls', () => {
  it(`${waitersMax} wait, the next is told to come later, and nobody else notices`, async () => {
    const before = await baseline(node);
    const clients = Array.from({ length: waitersMax }, () => mailboxes.start('poll', 'recv', { wait_ms: 30_000 }));
    const waiting = async () => (await metricsOf(node.port)).get('inflight{service="mailbox"}');
    // One that asked before they all wait would take the place of one of them.
    await eventually(async () => (await waiting()) === waitersMax, { what: 'all wait' });
    const refused = await mailboxes.post('poll', 'recv', { wait_ms: 50 });
    expect([refused.status, envelopeOf(refused).code]).toEqual([429, 'quota_exhausted']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(await mailboxes.receive('poll')).toEqual([]);
    await mailboxes.send('poll', { body: 'for the first' });
    expect((await clients[0]!.reply()).body.toString()).toContain('for the first');
    for (const client of clients) client[Symbol.dispose]();
    await before.survived({ counted: 'quota_exhausted', corrId: envelopeOf(refused).corr_id });
    await noneWaits();
  });

  it('receivers that leave take no message with them', async () => {
    const before = await baseline(node);
    for (let round = 0; round < 20; round++) {
      const clients = Array.from({ length: 10 }, () => mailboxes.start('left', 'recv', { wait_ms: 30_000 }));
      await Promise.all(clients.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))));
      for (const client of clients) client.socket.resetAndDestroy();
    }
    await before.survived();
    const id = await mailboxes.send('left', { body: 'x' });
    const received = await mailboxes.receive('left', { wait_ms: 1_000 });
    expect(received.map((message) => [message.id, message.attempt])).toEqual([[id, 1]]);
  });
});

describe('subscriptions', () => {
  it('300 that come and go leave no lease, no listener and no descriptor', async () => {
    const before = await baseline(node);
    const leased = await mailboxes.inFlight();
    await many(300, 10, async (index) => {
      using client = mailboxes.subscribe('storm', index % 2 === 0 ? '' : '?peek=true');
      await new Promise((resolve) => client.socket.once('connect', resolve));
      if (index % 3 === 0) await eventually(() => client.heardBytes > 0, { what: 'the stream opens' });
      if (index % 5 === 0) client.socket.resetAndDestroy();
    });
    await before.survived();
    expect(await mailboxes.inFlight()).toBe(leased);
    await mailboxes.send('storm', { body: 'after the storm' });
    expect(await mailboxes.receive('storm', { wait_ms: 1_000 })).toMatchObject([{ attempt: 1 }]);
    await noneWaits();
  });

  it('readers that never read hold a bounded part of what they asked for, and nobody up', async () => {
    const before = await baseline(node);
    const body = 'x'.repeat(250_000);
    for (let number = 0; number < 120; number++) await mailboxes.send('unread', { body });
    const resident = residentBytes(node.pid);
    const clients = Array.from({ length: 8 }, () => {
      const client = mailboxes.subscribe('unread', '?peek=true&cursor=0.');
      client.socket.pause();
      return client;
    });
    const leasing = mailboxes.subscribe('unread', '?credit=100&visibility_ms=250');
    leasing.socket.pause();
    for (let served = 0; served < 20; served++) {
      const id = await mailboxes.send('read', { body: `${served}` });
      const [received] = await mailboxes.receive('read');
      expect(received?.id).toBe(id);
      await mailboxes.post('read', 'ack', { leases: [received!.lease] });
    }
    // Eight times 30 MB, if they were pushed out.
    expect(residentBytes(node.pid) - resident).toBeLessThan(64 * MiB);
    for (const client of [...clients, leasing]) client.socket.resetAndDestroy();
    await before.survived();
    await eventually(async () => (await mailboxes.stats('unread'))['in_flight'] === 0, {
      what: 'the leases of who left run out',
    });
    const { ready, delayed, dead } = await mailboxes.stats('unread');
    expect(ready! + delayed! + dead!).toBe(120);
  });

  it('a body cannot pose as an event', async () => {
    const body = `${payloadMark}\r\n\r\nevent: forged\rid: s.x.1\n\ndata: {}\u2028`;
    const id = await mailboxes.send('forged', { body, headers: { a: 'x\n\nevent: forged\n\n' } });
    using client = mailboxes.subscribe('forged');
    let text = '';
    client.socket.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    await eventually(() => text.includes(id), { what: 'the message comes' });
    const lines = text.slice(text.indexOf('\r\n\r\n')).split(/\r\n|\r|\n/);
    expect(lines.filter((line) => line.startsWith('event:'))).toEqual(['event: message']);
    const data = lines.filter((line) => line.startsWith('data:'));
    expect(data.map((line) => JSON.parse(line.slice(5)).body)).toEqual([body]);
  });
});

describe('cursors', () => {
  const cursors = {
    nothing: '',
    'another alphabet': '%F0%9F%92%A9',
    'a NUL': '0.%00',
    'line breaks': '0.%0d%0aX-Injected:%201',
    'a number past 2^53': '9007199254740993.',
    'a negative one': '-1.',
    'an exponent': '1e9.',
    'a subscription of nobody, badly': 's.01ARZ3NDEKTSV4RRFFQ69G5FAV.-1',
    'a parent folder': '../../etc/passwd',
    'many digits': '9'.repeat(1_000),
    '10,000 letters': 'a'.repeat(10_000),
  };
  for (const [what, cursor] of Object.entries(cursors)) {
    it(`${what}: refused by each list and each kind of subscription`, async () => {
      await mailboxes.send('cursors', { body: 'x' });
      for (const target of ['dlq?', 'subscribe?peek=true&', 'subscribe?']) {
        await expectRefusal(node, badRequest, () => mailboxes.get(`/mailbox/cursors/${target}cursor=${cursor}`));
      }
      const listed = await mailboxes.get(`/mailbox?cursor=${cursor}`);
      expect([200, 400]).toContain(listed.status);
    });
  }

  it('a Last-Event-ID that is no cursor is refused; one of a subscription that is long gone begins anew', async () => {
    await expectRefusal(node, badRequest, () =>
      mailboxes.get('/mailbox/cursors/subscribe', { 'Last-Event-ID': "'; DROP TABLE" }),
    );
    using client = mailboxes.subscribe('cursors', '?cursor=s.01ARZ3NDEKTSV4RRFFQ69G5FAV.7&visibility_ms=250');
    await eventually(() => client.heardBytes > 0, { what: 'the stream opens' });
  });
});
