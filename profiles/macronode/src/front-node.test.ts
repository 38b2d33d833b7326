import { type Clock, createConfig, createMetrics, type Log } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import type { Operation } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { gatewayContract } from '@ron/proto/gateway';
import { omnigateContract } from '@ron/proto/omnigate';
import { ResidentBody } from '@ron/proto/stream';
import { bindOapServer, type Dispatcher, type Incoming, type Outgoing } from '@ron/service';
import { afterEach, describe, expect, test } from 'vitest';
import { parseBackend } from './address.ts';
import { type FrontNode, startFrontNode } from './front-node.ts';
import { omnigateTables, startOmnigate } from './omnigate.ts';

const env = createRealEnv();
const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => log,
};
const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

/** A gateway that answers by operation; `owner` may everything, `reader` may read. */
async function backend(answers: Readonly<Record<string, (incoming: Incoming) => Partial<Outgoing>>> = {}) {
  const asked: Incoming[] = [];
  const whoami = ({ credential: { token } }: Incoming) => {
    const text = token === undefined ? '' : typeof token === 'string' ? token : new TextDecoder().decode(token);
    if (text !== 'owner' && text !== 'reader') throw new RonError('unauthenticated', 'who is that');
    const methods = text === 'owner' ? ['read', 'admin'] : ['read'];
    const rights = [[{ methods, prefix: '' }]];
    return { output: { id: text, subject: text, tenant: '', audience: 'ron', rights, limits: {}, caveats: 0 } };
  };
  const all: typeof answers = { whoami, ...answers };
  const dispatcher: Dispatcher = {
    contract: gatewayContract,
    async dispatch(incoming) {
      asked.push(incoming);
      const answer = all[incoming.operation]?.(incoming);
      if (answer === undefined) throw new RonError('not_found', 'not here');
      return { output: {}, body: undefined, quota: undefined, release: () => undefined, ...answer };
    },
    inflight: 0,
    drain: () => Promise.resolve(),
    abort: () => undefined,
  };
  const identity = { server_version: '', node_id: '', transports: [], revocation_seq: 0 };
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const metrics = createMetrics();
  const listener = await bindOapServer({ env, log, metrics, address, dispatchers: [dispatcher], identity });
  opened.push(listener);
  const { port } = listener.address as { port: number };
  return { asked, address: `127.0.0.1:${port}` };
}

async function front(backends: readonly string[]): Promise<{ node: FrontNode; url: string }> {
  const flags = { 'front.listen': '127.0.0.1:0', 'front.backends': backends.join(','), 'front.drain_ms': '500' };
  const config = createConfig(omnigateTables, { flags });
  const node = await startFrontNode({ env, config, log });
  opened.push(node);
  return { node, url: `http://127.0.0.1:${(node.http as { port: number }).port}` };
}

async function ready(url: string): Promise<Response> {
  let response = await fetch(`${url}/readyz`);
  while (response.status !== 200) response = await fetch(`${url}/readyz`);
  return response;
}

const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const address = `b3:${'0'.repeat(64)}`;

describe('omnigate over HTTP', () => {
  test('is red until a backend answers, then passes calls on with the address of their connection', async () => {
    const output = { status: 200, address, size: 4, content_length: 4, cache_control: 'no-store', etag: '"e"' };
    const { asked, address: at } = await backend({
      get: () => ({ output, body: new ResidentBody(new TextEncoder().encode('body')) }),
    });
    const { url } = await front([`a=${at}`]);
    await ready(url);
    const response = await fetch(`${url}/o/${address}`, {
      headers: { ...as('reader').headers, 'x-forwarded-for': '203.0.113.9', 'x-corr-id': 'corr-of-mine' },
    });
    expect([response.status, await response.text()]).toEqual([200, 'body']);
    expect(response.headers.get('etag')).toBe('"e"');
    expect(response.headers.get('x-corr-id')).toBe('corr-of-mine');
    expect(asked.find(({ operation }) => operation === 'get')).toMatchObject({ corrId: 'corr-of-mine' });
  });

  test('without a living backend refuses with the gate and the wait, and says so on /readyz', async () => {
    const { url } = await front(['127.0.0.1:1']);
    const response = await fetch(`${url}/o/${address}`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ code: 'unavailable', details: { gate: 'backends' } });
    const readiness = await fetch(`${url}/readyz`);
    expect(readiness.status).toBe(503);
    expect(await readiness.json()).toMatchObject({
      gates: [{ ok: true }, { gate: 'omnigate.backends', ok: false }, { ok: true }],
    });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test('shows its backends to who may administer it, and takes one out for them', async () => {
    const { address: at } = await backend();
    const { url, node } = await front([`a=${at}`]);
    await ready(url);
    const ask = (path: string, token: string, body: object) =>
      fetch(url + path, { ...as(token), method: 'POST', body: JSON.stringify(body) });
    const backends = `${url}/admin/omnigate/backends`;
    expect((await fetch(backends, as('reader'))).status).toBe(403);
    expect((await fetch(backends, as('nobody'))).status).toBe(401);
    expect((await fetch(backends)).status).toBe(401);
    expect((await ask('/admin/omnigate/backends', 'owner', {})).status).toBe(405);
    const shown = await fetch(backends, as('owner'));
    expect(await shown.json()).toMatchObject({ backends: [{ backend: 'a', address: at, phase: 'joining' }] });
    expect((await ask('/admin/omnigate/drain', 'owner', { backend: 'b', on: true })).status).toBe(404);
    const drained = await ask('/admin/omnigate/drain', 'owner', { backend: 'a', on: true });
    expect(await drained.json()).toMatchObject({ phase: 'draining', operator_drain: true });
    const refused = await fetch(`${url}/o/${address}`, as('reader'));
    expect(await refused.json()).toMatchObject({ code: 'unavailable', details: { gate: 'backends' } });
    // The front stays: nobody has to find another one.
    expect(refused.headers.get('connection')).not.toBe('close');
    expect(node.gates().every(({ ok }) => ok)).toBe(false);
  });

  test('everything that an operator changes has an audit rule', () => {
    for (const operation of Object.values<Operation>(omnigateContract.operations))
      expect(operation.audit?.level).toBe(operation.mutation ? 'privileged' : undefined);
  });

  test('that stops is red at once, and serves until its notice is over', async () => {
    const { address: at } = await backend({ resolve: () => ({ output: {} }) });
    const noticeMs = 54_321;
    const noticed = Promise.withResolvers<() => void>();
    const { clock } = env;
    const after: Clock['after'] = (ms, run) => {
      if (ms !== noticeMs) return clock.after(ms, run);
      noticed.resolve(run);
      return { cancel: () => undefined };
    };
    const timed = {
      ...env,
      clock: { after, monotonicMs: () => clock.monotonicMs(), wallMs: () => clock.wallMs() },
    };
    const line = { 'front.drain_notice_ms': String(noticeMs), 'front.listen': '127.0.0.1:0', 'front.backends': at };
    const node = await startFrontNode({ env: timed, config: createConfig(omnigateTables, { flags: line }), log });
    const url = `http://127.0.0.1:${(node.http as { port: number }).port}`;
    await ready(url);
    const stopped = node[Symbol.asyncDispose]();
    const over = await noticed.promise;
    const readiness = await fetch(`${url}/readyz`);
    expect(readiness.status).toBe(503);
    expect(await readiness.json()).toMatchObject({ gates: [{ gate: 'node', ok: false }, { ok: true }, { ok: true }] });
    // The word of the backend, so the call was passed on.
    expect((await fetch(`${url}/o/${address}`, as('reader'))).status).toBe(404);
    over();
    await stopped;
    await expect(fetch(`${url}/readyz`)).rejects.toThrow();
  });

  test('writes its access log where it is told to', async () => {
    const lines: object[] = [];
    const accessLog: Log = { ...log, warn: (fields) => void lines.push(fields) };
    const flags = { 'front.listen': '127.0.0.1:0', 'front.backends': '127.0.0.1:1' };
    const node = await startFrontNode({ env, config: createConfig(omnigateTables, { flags }), log, accessLog });
    opened.push(node);
    const { port } = node.http as { port: number };
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
    expect(lines).toEqual([expect.objectContaining({ route: '/readyz', status: 503, remote: '127.0.0.1' })]);
  });

  test('shows the operations of the backends and its own in /openapi.json', async () => {
    const { url } = await front([(await backend()).address]);
    const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: object };
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/o/{address}', '/admin/omnigate/backends']));
  });
});

describe('the settings', () => {
  test.each([
    [{ 'front.tls_cert': 'a.pem' }, /a certificate needs its key/],
    [{ 'front.backends': '' }, /1 to 64 backends/],
    [{ 'front.backends': 'a=127.0.0.1:1,a=127.0.0.1:2' }, /two backends have one name/],
    [{ 'front.backends': 'nowhere' }, /front.backends/],
    [{ 'front.trusted_proxies': '10.0.0.0/99', 'front.backends': '127.0.0.1:1' }, /no address range/],
  ])('%j is refused', async (flags, message) => {
    const line = { 'front.listen': '127.0.0.1:0', ...flags };
    await expect(startOmnigate({ flags: line })).rejects.toThrow(message);
  });

  test('backends have a name and an address', () => {
    expect(parseBackend('unix:/run/a=b', 3)).toEqual({ name: 'g3', address: { kind: 'unix', path: '/run/a=b' } });
    expect(() => parseBackend('eu=h', 0)).toThrow(RangeError);
    expect(parseBackend('eu=h:1', 0)).toEqual({ name: 'eu', address: { kind: 'tcp', host: 'h', port: 1 } });
  });
});
