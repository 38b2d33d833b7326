import { createBus, createMetrics, type HttpRequest, type HttpResponse, type KernelEvent, type Log } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import type { Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { emptyBody, ResidentBody } from '@ron/proto/stream';
import { bindHttp, createOpsEndpoints, hostService } from '@ron/service';
import { beforeEach, expect, test } from 'vitest';
import type { Kms } from './kms.ts';
import { createRamKms } from './ram-kms.ts';
import { kms as service } from './service.ts';

const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** Tokens name a tenant; `reader` may do everything but administer the kms. */
function principalOf(token: string): Principal {
  const allows: Principal['allows'] = (_method, resource) => token !== 'reader' && resource === 'admin/kms';
  return { subject: 'tester', capabilityId: 'test', tenant: token === 'all' ? '' : token, limits: {}, allows };
}

let kms: Kms;
let handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

beforeEach(async () => {
  const env = createRealEnv();
  kms = createRamKms(env);
  const metrics = createMetrics();
  const authenticator = {
    authenticate: ({ token }: { token?: string | Uint8Array }) => {
      if (typeof token !== 'string') throw new RonError('unauthenticated', 'a capability is needed');
      return principalOf(token);
    },
  };
  const options = { env, bus: createBus<KernelEvent>(), metrics, log: silentLog, authenticator };
  const config = { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
  const { dispatcher } = await hostService(service, options, { config, peers: {}, engines: { kms } });
  const ops = createOpsEndpoints({
    uptimeMs: () => 0,
    gates: () => [],
    exposition: () => metrics.exposition(),
    version: () => ({}),
    openApi: () => ({}),
  });
  handle = bindHttp({ env, dispatchers: [dispatcher], ops, corsOrigins: () => [] });
});

async function ask(target: string, body?: unknown, token = 'acme') {
  const bytes = new TextEncoder().encode(body === undefined ? '' : JSON.stringify(body));
  const length = body === undefined ? {} : { 'content-length': String(bytes.byteLength) };
  const response = await handle({
    method: body === undefined ? 'GET' : 'POST',
    target,
    headers: { authorization: `Bearer ${token}`, ...length },
    body: body === undefined ? emptyBody : new ResidentBody(bytes),
    remote: '127.0.0.1',
    onAbort: () => undefined,
  });
  const text = response.body instanceof Uint8Array ? new TextDecoder().decode(response.body) : '';
  return { status: response.status, json: JSON.parse(text) };
}

const payload_base64 = Buffer.from('message').toString('base64');
const hashed = (kid: string) => kid.replace('#', '%23');

test('a life of keys over HTTP', async () => {
  const made = await ask('/kms/keys', { purpose: 'work', alg: 'ed25519', op_id: 'the-first-key' });
  expect(made).toMatchObject({ status: 200, json: { tenant: 'acme', version: 1, state: 'active' } });
  const { kid } = made.json;
  expect((await ask('/kms/keys', { purpose: 'work', alg: 'ed25519', op_id: 'the-first-key' })).json.kid).toBe(kid);
  const { signature_base64 } = (await ask('/kms/sign', { kid, payload_base64 })).json;
  const rotated = await ask('/kms/rotate', { kid });
  expect(rotated.json).toMatchObject({ version: 2 });
  expect((await ask('/kms/verify', { kid, payload_base64, signature_base64 })).json).toEqual({ valid: true });
  expect(await ask('/kms/sign', { kid, payload_base64 })).toMatchObject({
    status: 409,
    json: { code: 'conflict', details: { reason: 'not_active' } },
  });
  const expected = { kid, alg: 'ed25519', state: 'verifying' };
  expect((await ask(`/kms/keys/${hashed(kid)}`)).json).toMatchObject(expected);
  expect((await ask('/kms/public-key', { kid })).json).toMatchObject(expected);
  expect((await ask('/kms/retire', { kid })).json).toMatchObject({ state: 'retired' });
  expect(await ask('/kms/destroy', { kid })).toMatchObject({ status: 200, json: { kid, generation: 4 } });
  const listed = await ask('/kms/keys?purpose=work&limit=10');
  expect(listed.json.keys.map((key: { state: string }) => key.state)).toEqual(['destroyed', 'active']);

  const wrapKid = (await ask('/kms/keys', { purpose: 'work', alg: 'aes-256-gcm' })).json.kid;
  const { wrapped_base64 } = (await ask('/kms/wrap', { kid: wrapKid, plaintext_base64: payload_base64 })).json;
  expect((await ask('/kms/unwrap', { kid: wrapKid, wrapped_base64 })).json).toEqual({
    plaintext_base64: payload_base64,
  });
  await ask('/kms/rotate', { kid: wrapKid });
  const report = await ask('/kms/rewrap', { kid: wrapKid, items: [{ wrapped_base64 }] });
  expect(report).toMatchObject({ status: 200, json: { done: 1, failed: 0 } });
  const macKid = (await ask('/kms/keys', { purpose: 'work', alg: 'hmac' })).json.kid;
  expect(Buffer.from((await ask('/kms/mac', { kid: macKid, payload_base64 })).json.tag_base64, 'base64')).toHaveLength(
    32,
  );
});

test.each([
  ['without the scope', '/kms/keys', undefined, 'reader', 403, 'forbidden'],
  ['an unknown field', '/kms/keys', { purpose: 'x', alg: 'hmac', secret: 'AA' }, 'acme', 400, 'bad_request'],
  ['an unknown algorithm', '/kms/keys', { purpose: 'x', alg: 'none' }, 'acme', 400, 'bad_request'],
  [
    'an op_id of 7 characters',
    '/kms/keys',
    { purpose: 'x', alg: 'hmac', op_id: 'a234567' },
    'acme',
    400,
    'bad_request',
  ],
  ['an unknown key', '/kms/sign', { kid: 'unknown', payload_base64 }, 'acme', 404, 'not_found'],
  ['neither bytes nor address', '/kms/sign', { kid: 'unknown' }, 'acme', 404, 'not_found'],
  ['an address that is none', '/kms/sign', { kid: 'unknown', address: 'b3:00' }, 'acme', 400, 'bad_request'],
  ['no values to rewrap', '/kms/rewrap', { kid: 'unknown', items: [] }, 'acme', 400, 'bad_request'],
  ['a page of 1,001', '/kms/keys?limit=1001', undefined, 'acme', 400, 'bad_request'],
  ['an algorithm in the place of a key', '/kms/keys/ed25519', undefined, 'acme', 404, 'not_found'],
])('%s is refused', async (_what, target, body, token, status, code) => {
  expect(await ask(target, body, token)).toMatchObject({ status, json: { code } });
});

test('an administrator of the kms gets no tag of the capability root', async () => {
  const { kid } = await kms.createKey({ tenant: 'node', purpose: 'capability', alg: 'hmac' });
  for (const [target, body] of [
    ['/kms/mac', { kid, payload_base64 }],
    ['/kms/sign', { kid, payload_base64 }],
    ['/kms/destroy', { kid, even_active: true }],
    ['/kms/keys', { tenant: 'node', purpose: 'capability', alg: 'hmac' }],
  ] as const) {
    expect(await ask(target, body, 'all')).toMatchObject({ status: 403, json: { details: { reason: 'reserved' } } });
  }
  expect(await ask('/kms/mac', { kid, payload_base64 })).toMatchObject({ status: 404 });
});

test('the keys that others know the node by are not rotated; its other keys are', async () => {
  for (const purpose of ['identity', 'registry']) {
    const { kid } = await kms.createKey({ tenant: 'node', purpose, alg: 'ed25519' });
    expect(await ask('/kms/rotate', { kid }, 'all')).toMatchObject({
      status: 403,
      json: { details: { reason: 'reserved' } },
    });
    expect(kms.currentKey({ purpose })?.kid).toBe(kid);
  }
  const { kid } = await kms.createKey({ tenant: 'node', purpose: 'names', alg: 'ed25519' });
  expect((await ask('/kms/rotate', { kid }, 'all')).json).toMatchObject({ version: 2 });
});
