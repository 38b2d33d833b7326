import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mailboxContract } from '@ron/proto/mailbox';
import { OapLink } from '@ron/service';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNode } from './fixtures/start-node.ts';

type Started = Awaited<ReturnType<typeof startNode>>;

let started: Started;

beforeAll(async () => {
  started = await startNode();
});

afterAll(() => started.node[Symbol.asyncDispose]());

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const init = {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  };
  const reply = await started.ask(path, init);
  return { status: reply.status, headers: reply.headers, json: (await reply.json()) as Record<string, unknown> };
}

interface Received {
  readonly id: string;
  readonly lease: string;
}

async function receive(box: string, max = 10): Promise<Received[]> {
  const { json } = await post(`/mailbox/${box}/recv`, { max, visibility_ms: 30_000 });
  return json['messages'] as Received[];
}

const ulid = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

describe('over HTTP', () => {
  test('a message is sent, sent again, received, settled once, and its lease is no good again', async () => {
    const message = { body: 'hi', idempotency_key: 'k1' };
    const sent = await post('/mailbox/inbox/send', message);
    expect(sent).toMatchObject({ status: 200, json: { duplicate: false, durability: 'memory' } });
    const { id } = sent.json;
    expect(id).toMatch(ulid);
    expect((await post('/mailbox/inbox/send', message)).json).toMatchObject({ id, duplicate: true });
    expect(await post('/mailbox/inbox/send', { ...message, body: 'ho' })).toMatchObject({
      status: 409,
      json: { code: 'conflict', retryable: false, corr_id: expect.any(String) },
    });

    const received = await post('/mailbox/inbox/recv', { max: 10, visibility_ms: 30_000, wait_ms: 5_000 });
    expect(received.status).toBe(200);
    const { messages } = received.json as { messages: Received[] };
    const lease = expect.any(String) as string;
    expect(messages).toEqual([expect.objectContaining({ id, body: 'hi', lease, attempt: 1, fence: 1 })]);

    const leases = [messages[0]!.lease];
    const acked = await post('/mailbox/inbox/ack', { leases });
    expect(acked).toMatchObject({ status: 200, json: { results: [{ lease: leases[0], ok: true }] } });
    for (const operation of ['ack', 'nack']) {
      const reused = await post(`/mailbox/inbox/${operation}`, { leases });
      expect(reused, operation).toMatchObject({ status: 409, json: { code: 'conflict', retryable: false } });
    }
    const extended = await post('/mailbox/inbox/extend', { leases, visibility_ms: 60_000 });
    expect(extended).toMatchObject({ status: 409, json: { code: 'conflict' } });
    expect((await post('/mailbox/inbox/send', message)).json).toMatchObject({ id, duplicate: true });
    expect(await receive('inbox')).toEqual([]);
  });

  test('a stale lease beside a good one is a conflict in the results alone', async () => {
    for (const body of ['a', 'b']) await post('/mailbox/mixed/send', { body });
    const [first, second] = (await receive('mixed')) as [Received, Received];
    await post('/mailbox/mixed/ack', { leases: [first.lease] });
    const mixed = await post('/mailbox/mixed/ack', { leases: [first.lease, second.lease, 'made up'] });
    expect(mixed).toMatchObject({
      status: 200,
      json: {
        results: [
          { lease: first.lease, ok: false, error: 'conflict' },
          { lease: second.lease, ok: true },
          { lease: 'made up', ok: false, error: 'conflict' },
        ],
      },
    });
  });

  test('an idempotency key counts from the header as from the body', async () => {
    const headers = { 'idempotency-key': 'h1' };
    const first = await post('/mailbox/headers/send', { body: 'x' }, headers);
    const second = await post('/mailbox/headers/send', { body: 'x' }, headers);
    expect(second.json).toMatchObject({ id: first.json['id'], duplicate: true });
    const third = await post('/mailbox/headers/send', { body: 'x', idempotency_key: 'h1' });
    expect(third.json).toMatchObject({ id: first.json['id'], duplicate: true });
    expect(await receive('headers')).toHaveLength(1);
  });

  test.each([
    ['/mailbox/In%20Box/send', { body: 'hi' }],
    ['/mailbox/a%2Fb/send', { body: 'hi' }],
    [`/mailbox/${'b'.repeat(64)}/send`, { body: 'hi' }],
    ['/mailbox/bad/send', {}],
    ['/mailbox/bad/send', { body: 'hi', body_base64: 'aGk=' }],
    ['/mailbox/bad/send', { body_base64: 'a?' }],
    ['/mailbox/bad/send', { body: 'hi', delay_ms: 43_200_001 }],
    ['/mailbox/bad/send', { body: 'hi', priority: 10 }],
    ['/mailbox/bad/send', { body: 'hi', unknown: 1 }],
    ['/mailbox/bad/recv', { max: 0 }],
    ['/mailbox/bad/recv', { max: 101 }],
    ['/mailbox/bad/recv', { wait_ms: 30_001 }],
    ['/mailbox/bad/recv', { visibility_ms: 249 }],
    ['/mailbox/bad/recv', { visibility_ms: 43_200_001 }],
    ['/mailbox/bad/ack', { leases: [] }],
    ['/mailbox/bad/ack', { leases: Array.from({ length: 101 }, () => 'x') }],
  ])('bad request %# to %s is refused with the envelope, and no box comes of it', async (path, body) => {
    const { status, json } = await post(path, body);
    expect({ status, ...json }).toMatchObject({
      status: 400,
      code: 'bad_request',
      message: expect.any(String),
      retryable: false,
      corr_id: expect.any(String),
    });
    expect((await started.ask('/mailbox/bad/stats')).status).toBe(404);
  });

  test('a message may carry an object that is stored here', async () => {
    const missing = `b3:${'0'.repeat(64)}`;
    expect(await post('/mailbox/objects/send', { address: missing })).toMatchObject({
      status: 404,
      json: { code: 'not_found', details: { address: missing } },
    });
    const put = await started.ask('/put', { method: 'PUT', body: 'carried' });
    const { address } = (await put.json()) as { address: string };
    const { json } = await post('/mailbox/objects/send', { address });
    expect(await receive('objects')).toEqual([expect.objectContaining({ id: json['id'], address })]);
    const admin = started.capabilityFor([{ methods: ['admin'], prefix: 'admin/' }]);
    const why = await post('/admin/why', { address }, { authorization: `Bearer ${admin}` });
    expect(why.json['holders']).toContainEqual({ kind: 'message', id: `objects/${json['id']}` });
  });

  test('a capability reaches the boxes that it names and no others', async () => {
    const headers = { authorization: `Bearer ${started.capabilityFor([{ methods: ['write'], prefix: 'box/mine' }])}` };
    expect((await post('/mailbox/mine/send', { body: 'x' }, headers)).status).toBe(200);
    expect((await post('/mailbox/yours/send', { body: 'x' }, headers)).status).toBe(403);
    expect((await post('/mailbox/mine/recv', {}, headers)).status).toBe(403);
  });

  test('a subscription is a stream of events', async () => {
    await post('/mailbox/events/send', { body: 'pushed' });
    const reply = await started.ask('/mailbox/events/subscribe?credit=1');
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toBe('text/event-stream');
    expect(reply.headers.get('cache-control')).toBe('no-store');
    let text = '';
    const decoder = new TextDecoder();
    for await (const piece of reply.body!) {
      text += decoder.decode(piece, { stream: true });
      if (text.includes('"pushed"')) break;
    }
    // Who leaves is let go of on every level.
    for (const service of ['gateway', 'mailbox'])
      await expect.poll(() => started.metrics.read('inflight', { service }), { timeout: 30_000 }).toBe(0);
    expect(text).toMatch(/^data: ?\{.*"body":"pushed"/m);
  });

  test('metrics and gates know the service', async () => {
    const text = await (await started.ask('/metrics')).text();
    expect(text).toContain('requests_total{service="mailbox",op="send",code="ok"}');
    expect(text).toContain('requests_total{service="gateway",op="mailbox_send",code="ok"}');
    const ready = (await (await started.ask('/readyz')).json()) as { gates: { gate: string }[] };
    expect(ready.gates.map(({ gate }) => gate)).toContain('service:mailbox');
  });
});

describe('over OAP', () => {
  function linkTo({ node, env, capabilityFor }: Started): OapLink {
    const token = new TextEncoder().encode(capabilityFor([{ methods: ['read', 'write', 'admin'], prefix: '' }]));
    return new OapLink({ env, address: node.oap!, capability: () => token });
  }

  test('the mailbox contract is answered, by way of the gateway', async () => {
    await using link = linkTo(started);
    const peer = link.peer(mailboxContract);
    const box = 'over-oap';
    const before = started.metrics.read('requests_total', { service: 'gateway', op: 'mailbox_send', code: 'ok' }) ?? 0;
    const { id } = await peer.send({ box, body: 'hi' }, { idempotencyKey: 'k' });
    expect(await peer.send({ box, body: 'hi' }, { idempotencyKey: 'k' })).toMatchObject({ id, duplicate: true });
    const sent = started.metrics.read('requests_total', { service: 'gateway', op: 'mailbox_send', code: 'ok' });
    expect(sent).toBe(before + 2);
    const { messages } = await peer.recv({ box });
    expect(messages).toEqual([expect.objectContaining({ id, body: 'hi' })]);
    const leases = messages.map(({ lease }) => lease);
    expect(await peer.ack({ box, leases })).toEqual({ results: [{ lease: leases[0], ok: true }] });
    await expect(peer.ack({ box, leases })).rejects.toMatchObject({ code: 'conflict' });
    // Of the service, not of the gateway.
    await expect(peer.roots({})).rejects.toMatchObject({ code: 'not_found' });
  });

  test('the quota of the gateway holds', async () => {
    const own = await startNode({ 'gateway.requests_per_second': '0.001', 'gateway.burst': '1' });
    await using _node = own.node;
    await using link = linkTo(own);
    const peer = link.peer(mailboxContract);
    expect(await peer.send({ box: 'inbox', body: 'hi' })).toMatchObject({ duplicate: false });
    const refused = await peer.recv({ box: 'inbox' }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'quota_exhausted', retryAfterMs: expect.any(Number) });
  });

  test('with the Private Plane the service answers for itself', async () => {
    const own = await startNode({}, { file: '[server]\nunsafe = true\noap_private_plane = true\n' });
    await using _node = own.node;
    await using link = linkTo(own);
    const peer = link.peer(mailboxContract);
    await peer.send({ box: 'private', body: 'hi' });
    expect(await peer.roots({})).toEqual({ roots: [] });
    expect(own.metrics.read('requests_total', { service: 'gateway', op: 'mailbox_send', code: 'ok' }) ?? 0).toBe(0);
  });
});

test('an object stays while a message carries it, and goes after the last one is gone', async () => {
  const own = await startNode({ 'storage.grace_ms': '0' });
  await using _node = own.node;
  const capability = own.capabilityFor([{ methods: ['read', 'write', 'admin'], prefix: '' }]);
  const headers = { authorization: `Bearer ${capability}`, 'content-type': 'application/json' };
  const ask = async (path: string, body: unknown) => {
    const reply = await own.ask(path, { method: 'POST', body: JSON.stringify(body), headers });
    expect(reply.status, path).toBe(200);
    return (await reply.json()) as Record<string, unknown>;
  };
  const put = await own.ask('/put', { method: 'PUT', body: 'carried' });
  const { address } = (await put.json()) as { address: string };
  for (const body of [1, 2]) await ask('/mailbox/inbox/send', { address, headers: { part: `${body}` } });
  const received = await ask('/mailbox/inbox/recv', { max: 2 });
  for (const { lease } of received['messages'] as Received[]) {
    expect(await ask('/admin/collect', {})).toMatchObject({ examined: 1, kept: 1, trashed: 0 });
    await ask('/mailbox/inbox/ack', { leases: [lease] });
  }
  expect(await ask('/admin/collect', {})).toMatchObject({ examined: 1, kept: 0, trashed: 1, sample: [address] });
});

test('on disk a message, its key and what its lease may do outlive the node', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ron-mailboxes-'));
  const ask = async ({ ask: request }: Started, operation: string, body: unknown) => {
    const headers = { 'content-type': 'application/json' };
    const reply = await request(`/mailbox/kept/${operation}`, { method: 'POST', body: JSON.stringify(body), headers });
    return { status: reply.status, json: (await reply.json()) as Record<string, unknown> };
  };
  try {
    const first = await startNode({}, { folder });
    const message = { body: 'stay', idempotency_key: 'k' };
    const sent = await ask(first, 'send', message);
    expect(sent.json).toMatchObject({ duplicate: false, durability: 'fsync' });
    await ask(first, 'send', { body: 'other' });
    const received = await ask(first, 'recv', { max: 10, visibility_ms: 43_200_000 });
    const [lease, other] = (received.json['messages'] as Received[]).map((each) => each.lease);
    await ask(first, 'ack', { leases: [lease] });
    await first.node[Symbol.asyncDispose]();

    const second = await startNode({}, { folder });
    await using _node = second.node;
    expect((await ask(second, 'send', message)).json).toMatchObject({ id: sent.json['id'], duplicate: true });
    expect((await ask(second, 'recv', { max: 10 })).json).toEqual({ messages: [] });
    expect((await ask(second, 'ack', { leases: [lease] })).status).toBe(409);
    expect((await ask(second, 'ack', { leases: [other] })).json).toEqual({ results: [{ lease: other, ok: true }] });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
