import { SLICE_MEDIA_TYPE } from '@ron/b3';
import { createMetrics, type HttpHandler, type HttpRequest, type Log } from '@ron/kernel';
import { encodeManifest } from '@ron/naming';
import { gatewayContract } from '@ron/proto/gateway';
import { ResidentBody } from '@ron/proto/stream';
import { bindHttp, createDispatcher, loadCompiler } from '@ron/service';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addressOf, gather } from './fixtures/map-peers.ts';
import { bytesOf, everything, type StartedGateway, startGateway } from './fixtures/start-gateway.ts';

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

let node: StartedGateway;
let http: HttpHandler;

beforeAll(loadCompiler);

beforeEach(async () => {
  node = await startGateway();
  const env = {
    clock: { wallMs: () => 0, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) },
    random: { bytes: (length: number) => new Uint8Array(length), unit: () => 0 },
  };
  const dispatcher = createDispatcher({
    contract: gatewayContract,
    running: { handlers: node.handlers as never, admit: node.admit, [Symbol.asyncDispose]: async () => undefined },
    // What is the node's as a whole is not for who belongs to a tenant.
    authenticator: { authenticate: ({ token }) => (token === 'operator' ? { ...everything, tenant: '' } : everything) },
    env: env as never,
    log: silent,
    metrics: createMetrics(),
  });
  http = bindHttp({ env: env as never, dispatchers: [dispatcher], ops: () => undefined });
});

async function send(
  method: string,
  target: string,
  headers: Record<string, string> = {},
  body: Uint8Array = new Uint8Array(0),
) {
  const request: HttpRequest = {
    method,
    target,
    headers: { 'content-length': `${body.byteLength}`, ...headers },
    body: new ResidentBody(body),
    remote: '127.0.0.1',
    onAbort: () => undefined,
  };
  const response = await http(request);
  const bytes = response.body instanceof Uint8Array ? response.body : await gather(response.body);
  return { status: response.status, headers: response.headers, bytes, text: new TextDecoder().decode(bytes) };
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** The contract's routes through the HTTP binding, without a socket: what a client's request line must reach. */
describe('routes of the contract', () => {
  it('put, get, head, range, outboard, slice', async () => {
    const bytes = bytesOf(200_000);
    const put = await send('PUT', '/put', {}, bytes);
    const address = addressOf(bytes);
    expect(put).toMatchObject({ status: 201, headers: { location: `/o/${address}` } });
    expect(JSON.parse(put.text)).toEqual({
      address,
      size: 200_000,
      stored: true,
      durability: 'memory',
      location: `/o/${address}`,
    });
    expect((await send('POST', '/o', {}, bytes)).status).toBe(200);
    expect((await send('PUT', `/o/${address}`, {}, bytes)).status).toBe(200);
    expect((await send('PUT', `/o/${address}`, {}, bytesOf(3))).status).toBe(422);
    for (const target of [`/o/${address}`, `/get/${address}`]) {
      const got = await send('GET', target);
      expect(got).toMatchObject({ status: 200, bytes });
      expect(got.headers).toMatchObject({
        etag: `"${address}"`,
        'content-type': 'application/octet-stream',
        'x-content-type-options': 'nosniff',
        'content-length': 200_000,
        'accept-ranges': 'bytes',
        'ron-address': address,
        vary: 'accept',
      });
      const head = await send('HEAD', target);
      // Whether the edge has the bytes is known when they are read.
      const { 'x-cache': _cache, age: _age, ...told } = got.headers;
      expect({ ...head.headers, ratelimit: '' }).toEqual({ ...told, ratelimit: '' });
      expect(head.bytes).toHaveLength(0);
    }
    const part = await send('GET', `/o/${address}`, { range: 'bytes=-5' });
    expect(part).toMatchObject({ status: 206, bytes: bytes.slice(-5) });
    const beyond = await send('GET', `/o/${address}`, { range: 'bytes=200000-' });
    expect(beyond).toMatchObject({ status: 416, headers: { 'content-range': 'bytes */200000' } });
    expect((await send('GET', `/o/${address}`, { 'if-none-match': '*' })).status).toBe(304);
    const outboard = await send('GET', `/o/${address}.outboard`);
    expect(outboard).toMatchObject({ status: 200, headers: { etag: `"${address}.outboard"` } });
    const slice = await send('GET', `/o/${address}`, { accept: SLICE_MEDIA_TYPE });
    expect(slice.headers['content-type']).toBe(SLICE_MEDIA_TYPE);
  });

  it('refuses near misses of an address', async () => {
    const address = addressOf(bytesOf(1));
    for (const wrong of [address.toUpperCase(), address.slice(0, -1), `${address}0`, `${address}.outboar`, 'b3:..']) {
      expect((await send('GET', `/o/${wrong}`)).status).toBe(400);
    }
  });

  it('a folder is a web site, by address and by name', async () => {
    const page = new TextEncoder().encode('<p>home');
    const address = node.storage.add(page);
    const entry = { address, size: page.byteLength, mime: 'text/html' };
    const bundle = node.storage.add(
      encodeManifest([
        { path: 'index.html', ...entry },
        { path: 'a b/index.html', ...entry },
        { path: 'ü.html', ...entry },
      ]),
    );
    const set = await send('PUT', '/name/team/site', { 'if-none-match': '*' }, json({ address: bundle }));
    expect(set).toMatchObject({ status: 200 });
    for (const target of [
      `/o/${bundle}/`,
      `/o/${bundle}/index.html`,
      `/o/${bundle}/a%20b/`,
      '/n/team/site/',
      '/n/team/site/index.html',
      '/n/team/site/a%20b/',
      '/n/team/site/%C3%BC.html',
    ]) {
      expect(await send('GET', target), target).toMatchObject({ status: 200, text: '<p>home' });
    }
    const moved = await send('GET', '/n/team/site/a%20b');
    expect(moved).toMatchObject({ status: 308, headers: { location: '/n/team/site/a%20b/' }, text: '' });
    expect((await send('GET', '/n/team/site')).headers).toMatchObject({ location: '/n/team/site/' });
    expect((await send('GET', '/n/team/site/../../x')).status).toBe(404);
    expect((await send('GET', '/n/team/site/none')).status).toBe(404);
  });

  it('names: set, resolve, history, list, remove, conflicts', async () => {
    const address = node.storage.add(bytesOf(1));
    expect((await send('PUT', '/name/a/b', {}, json({ address }))).status).toBe(200);
    const conflict = await send('PUT', '/name/a/b', { 'if-match': '"7"' }, json({ address }));
    expect(conflict.status).toBe(409);
    expect(JSON.parse(conflict.text)).toMatchObject({ code: 'conflict', details: { version: 1 } });
    expect((await send('PUT', '/name/a/b', {}, json({ address, name: 'x' }))).status).toBe(400);
    expect(JSON.parse((await send('GET', '/name/resolve/a/b?fresh=true')).text)).toMatchObject({ address, version: 1 });
    expect(JSON.parse((await send('GET', '/name/a/b/history')).text).records).toHaveLength(1);
    expect(JSON.parse((await send('GET', '/names?prefix=a/')).text).names).toHaveLength(1);
    expect((await send('DELETE', '/name/a/b', { 'if-match': '"1"' })).status).toBe(200);
    expect((await send('GET', '/name/resolve/a/b')).status).toBe(404);
  });

  it('tus: discovery, creation, bytes, offset, termination', async () => {
    const tus = { 'tus-resumable': '1.0.0' };
    const discovery = await send('OPTIONS', '/uploads');
    expect(discovery).toMatchObject({
      status: 204,
      headers: {
        'tus-version': '1.0.0',
        'tus-extension': 'creation,termination,expiration',
        'tus-max-size': 5_368_709_120,
      },
    });
    const created = await send('POST', '/uploads', { ...tus, 'upload-length': '5' });
    expect(created).toMatchObject({ status: 201, headers: { 'tus-resumable': '1.0.0', 'cache-control': 'no-store' } });
    const location = String(created.headers['location']);
    const patch = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' };
    const written = await send('PATCH', location, patch, bytesOf(3));
    expect(written).toMatchObject({ status: 204, headers: { 'upload-offset': 3, 'tus-resumable': '1.0.0' } });
    expect(written.headers).not.toHaveProperty('location');
    const asked = await send('HEAD', location, tus);
    expect(asked).toMatchObject({
      status: 200,
      headers: { 'upload-offset': 3, 'upload-length': 5, 'cache-control': 'no-store' },
    });
    expect((await send('PATCH', location, patch, bytesOf(3))).status).toBe(409);
    expect(asked.headers).not.toHaveProperty('ron-durability');
    const ended = await send('PATCH', location, { ...patch, 'upload-offset': '3' }, bytesOf(2));
    expect(ended).toMatchObject({ status: 204, headers: { 'upload-offset': 5, 'ron-durability': 'memory' } });
    expect(await send('DELETE', location, tus)).toMatchObject({ status: 204, headers: { 'tus-resumable': '1.0.0' } });
    expect((await send('HEAD', location, tus)).status).toBe(404);
  });

  it('mailboxes: each route reaches its operation with all its fields', async () => {
    const id = '01JD0000000000000000000001';
    const lease = `${id}.1`;
    const routes: readonly (readonly [string, string, unknown, string, unknown])[] = [
      [
        'POST',
        '/mailbox/inbox/send',
        { body: 'hi', idempotency_key: 'k1' },
        'send',
        { body: 'hi', idempotency_key: 'k1' },
      ],
      ['POST', '/mailbox/inbox/recv', { max: 10, wait_ms: 5_000 }, 'recv', { max: 10, wait_ms: 5_000 }],
      ['POST', '/mailbox/inbox/ack', { leases: [lease] }, 'ack', { leases: [lease] }],
      ['POST', '/mailbox/inbox/nack', { leases: [lease], delay_ms: 9 }, 'nack', { leases: [lease], delay_ms: 9 }],
      [
        'POST',
        '/mailbox/inbox/extend',
        { leases: [lease], visibility_ms: 250 },
        'extend',
        { leases: [lease], visibility_ms: 250 },
      ],
      ['DELETE', `/mailbox/inbox/${id}`, undefined, 'remove', { id }],
      ['GET', '/mailbox/inbox/dlq?limit=7&cursor=c', undefined, 'dead_letters', { limit: 7, cursor: 'c' }],
      ['POST', '/mailbox/inbox/dlq/redrive', { ids: [id] }, 'redrive', { ids: [id] }],
      ['POST', '/mailbox/inbox/dlq/purge', {}, 'purge', {}],
      ['GET', '/mailbox/inbox/stats', undefined, 'stats', {}],
    ];
    for (const [method, target, body, operation, fields] of routes) {
      node.mailbox.calls.length = 0;
      const sent = await send(method, target, {}, body === undefined ? undefined : json(body));
      expect(sent.status, target).toBe(200);
      const input = { box: 'inbox', ...(fields as object) };
      expect(node.mailbox.calls, target).toEqual([expect.objectContaining({ operation, input })]);
    }
    node.mailbox.calls.length = 0;
    expect((await send('GET', '/mailbox?limit=100')).status).toBe(200);
    expect(node.mailbox.calls).toEqual([expect.objectContaining({ operation: 'boxes', input: { limit: 100 } })]);
    for (const [target, body] of [
      [`/mailbox/${'b'.repeat(64)}/send`, { body: 'hi' }],
      ['/mailbox/inbox/send', { body: 'hi', box: 'other' }],
      ['/mailbox/inbox/recv', { max: 0 }],
      ['/mailbox/inbox/recv', { max: 101 }],
      ['/mailbox/inbox/recv', { wait_ms: 30_001 }],
      ['/mailbox/inbox/ack', { leases: [] }],
    ] as const) {
      const refused = await send('POST', target, {}, json(body));
      expect([refused.status, JSON.parse(refused.text).code], target).toEqual([400, 'bad_request']);
    }
    expect(node.mailbox.calls).toHaveLength(1);
  });

  it('a subscription is a stream of events that resumes at Last-Event-ID', async () => {
    const text = 'id: 7\nevent: message\ndata: {}\n\n';
    const output = { content_type: 'text/event-stream', cache_control: 'no-store' };
    node.mailbox.answer = () => ({ output, body: new ResidentBody(new TextEncoder().encode(text)) });
    const target = '/mailbox/inbox/subscribe?peek=true&credit=5&visibility_ms=900';
    const got = await send('GET', target, { 'last-event-id': '6' });
    expect(got).toMatchObject({
      status: 200,
      text,
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
    });
    const input = { box: 'inbox', peek: true, credit: 5, visibility_ms: 900, cursor: '6' };
    expect(node.mailbox.calls).toEqual([expect.objectContaining({ operation: 'subscribe', input })]);
  });

  it('has, administration', async () => {
    const address = node.storage.add(bytesOf(1));
    expect(JSON.parse((await send('POST', '/o/has', {}, json({ addresses: [address] }))).text).present).toEqual([
      address,
    ]);
    const operator = { 'ron-cap': 'operator' };
    expect((await send('POST', '/admin/usage', operator, json({}))).status).toBe(200);
    expect((await send('POST', '/admin/usage', {}, json({}))).status).toBe(403);
    expect((await send('POST', '/admin/collect', operator, json({ dry_run: true, extra: 1 }))).status).toBe(400);
  });
});
