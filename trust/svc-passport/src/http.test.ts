import type { HttpResponse } from '@ron/kernel';
import { emptyBody, ResidentBody } from '@ron/proto/stream';
import { bindHttp, createOpsEndpoints } from '@ron/service';
import { expect, test } from 'vitest';
import { startNode, type TestNode } from './testing/node.ts';

interface Asked {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

function client(node: TestNode) {
  const ops = createOpsEndpoints({
    uptimeMs: () => 1,
    gates: () => [],
    exposition: () => node.metrics.exposition(),
    version: () => ({ name: 'test' }),
    openApi: () => ({}),
  });
  const handle = bindHttp({ env: node.env, dispatchers: [node.dispatcher], ops });
  return async (method: string, target: string, { token, body, headers }: Asked = {}) => {
    const bytes = new TextEncoder().encode(body === undefined ? '' : JSON.stringify(body));
    const answer = async (): Promise<HttpResponse> =>
      handle({
        method,
        target,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-length': String(bytes.byteLength) }),
          ...headers,
        },
        body: body === undefined ? emptyBody : new ResidentBody(bytes),
        remote: '127.0.0.1',
        onAbort: () => undefined,
      });
    const { status, headers: own, body: bytesOut } = await node.env.scheduler.settle(answer());
    const text = bytesOut instanceof Uint8Array ? new TextDecoder().decode(bytesOut) : '';
    return { status, headers: own, json: text === '' ? undefined : JSON.parse(text) };
  };
}

test('the life of a passport over HTTP', async () => {
  await using node = await startNode();
  const ask = client(node);
  const secret = node.store.bootstrapSecret()!.text();
  const root = await ask('POST', '/passport/bootstrap', { body: { secret, subject: 'root' } });
  expect([root.status, root.headers['cache-control']]).toEqual([200, 'no-store']);
  const token: string = root.json.capability;
  const rights = [{ methods: ['read'], prefix: 'n/docs' }];
  const issued = await ask('POST', '/passport/issue', { token, body: { subject: 'ann', rights, ttl_s: 60 } });
  const capability: string = issued.json.capability;
  expect((await ask('GET', '/passport/profile', { token: capability })).json).toMatchObject({ subject: 'ann' });
  expect((await ask('GET', '/passport/profile?subject=root', { token: capability })).status).toBe(403);
  const long = await ask('POST', '/passport/issue', { token, body: { subject: 'ann', rights, ttl_s: 3_601 } });
  expect([long.status, long.json.code]).toEqual([400, 'bad_request']);

  const refresh = { body: { refresh_token: issued.json.refresh_token }, headers: { 'idempotency-key': 'k1' } };
  const next = await ask('POST', '/passport/refresh', refresh);
  expect((await ask('POST', '/passport/refresh', refresh)).json).toEqual(next.json);
  const revoked = await ask('POST', '/passport/revoke', { token, body: { family: next.json.family } });
  expect(revoked.json).toEqual({ seq: 2, entries: 2, families: 1 });
  expect((await ask('GET', '/passport/profile', { token: capability })).status).toBe(401);
  expect((await ask('POST', '/passport/refresh', refresh)).status).toBe(401);
  const feed = await ask('GET', '/passport/revocations?since=1&wait_ms=0', { token });
  expect(feed.json).toMatchObject({ seq: 2, entries: [{ kind: 'capability', id: next.json.capability_id }] });
  expect((await ask('GET', '/passport/subjects', { token })).json.subjects).toHaveLength(2);
});

test('the public keys over HTTP, and 304 for who has them', async () => {
  await using node = await startNode();
  const ask = client(node);
  const first = await ask('GET', '/passport/keys');
  expect(first.headers).toMatchObject({
    'content-type': 'application/jwk-set+json',
    'cache-control': 'public, max-age=60',
  });
  expect(first.json.keys[0]).toMatchObject({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' });
  const again = await ask('GET', '/passport/keys', { headers: { 'if-none-match': String(first.headers['etag']) } });
  expect([again.status, again.json, again.headers['etag']]).toEqual([304, undefined, first.headers['etag']]);
});
