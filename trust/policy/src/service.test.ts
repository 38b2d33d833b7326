import { createBus, createMetrics, type HttpResponse, type KernelEvent, type Log } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import type { ScopeMethod } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { emptyBody, ResidentBody } from '@ron/proto/stream';
import { bindHttp, type HostedService, hostService } from '@ron/service';
import { encodeSigned } from '@ron/signed';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PolicyEngine } from './engine.ts';
import { policy } from './service.ts';
import { principalOf, startEngine } from './testing/engine.ts';
import { ann, ben, dayMs, policyOf, signedBy, startMs, textBy } from './testing/signers.ts';

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

let service: HostedService;
let engine: PolicyEngine;
let time: { nowMs: number };
let http: ReturnType<typeof bindHttp>;

/** Tokens are the methods that they allow on `admin/policy`. */
function authenticate({ token }: { readonly token?: string | Uint8Array }) {
  if (token === undefined) return { ...principalOf('nobody'), anonymous: true, allows: () => false };
  if (token === 'forged') throw new RonError('unauthenticated', 'the capability is not valid here');
  const allows = (method: ScopeMethod, resource: string) =>
    resource === 'admin/policy' && String(token).split('-').includes(method);
  return { ...principalOf('admin'), allows };
}

beforeEach(async () => {
  ({ engine, time } = await startEngine());
  const env = createRealEnv();
  const config = { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
  service = await hostService(
    policy,
    {
      env,
      bus: createBus<KernelEvent>(),
      metrics: createMetrics(),
      log: silent,
      authenticator: { authenticate },
      policy: engine.stage,
    },
    { config, peers: {}, engines: { policy: engine } },
  );
  http = bindHttp({ env, dispatchers: [service.dispatcher], ops: () => undefined });
});
afterEach(() => service[Symbol.asyncDispose]());

async function ask(method: string, target: string, body?: string, token: string | undefined = 'read-admin') {
  const bytes = new TextEncoder().encode(body ?? '');
  const response: HttpResponse = await http({
    method,
    target,
    headers: {
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-length': String(bytes.byteLength) }),
    },
    body: body === undefined ? emptyBody : new ResidentBody(bytes),
    remote: '127.0.0.1',
    onAbort: () => undefined,
  });
  const text = response.body instanceof Uint8Array ? new TextDecoder().decode(response.body) : '';
  return { status: response.status, json: JSON.parse(text) };
}

const rules = '@id("docs") forbid(principal, action == Action::"write", resource in Resource::"n/docs");';

describe('over HTTP', () => {
  test('a node without a policy says so', async () => {
    expect(await ask('GET', '/policy/hash', undefined, '')).toEqual({ status: 200, json: { version: 0 } });
    expect(await ask('GET', '/policy/current')).toMatchObject({ status: 404, json: { code: 'not_found' } });
    expect((await ask('GET', '/policy/history')).json).toEqual({ policies: [] });
  });

  test('the file that was signed is the body that activates it', async () => {
    const text = await textBy(policyOf({ rules }), ann, ben);
    const done = await ask('POST', '/policy/activate', text);
    const id = engine.current()?.id;
    expect(done).toEqual({
      status: 200,
      json: { policy: id, version: 1, activated_at: startMs, break_change: false, signers: ['ann', 'ben'] },
    });
    const expires_at = startMs + 30 * dayMs;
    expect((await ask('GET', '/policy/hash', undefined, '')).json).toEqual({
      policy: id,
      version: 1,
      expires_at,
      expired: false,
    });
    const { json } = await ask('GET', '/policy/current');
    expect(json).toMatchObject({ policy: id, version: 1, expires_at, activated_at: startMs });
    expect(encodeSigned(json.signed)).toBe(text);
    expect((await ask('GET', '/policy/history')).json.policies).toEqual([
      { policy: id, version: 1, activated_at: startMs },
    ]);
  });

  test('signatures come one by one', async () => {
    const document = policyOf();
    const state = await ask('POST', '/policy/proposals', await textBy(document, ann));
    expect(state).toMatchObject({ status: 200, json: { signers: ['ann'], threshold: 2 } });
    const path = `/policy/proposals/${state.json.policy}`;
    expect((await ask('GET', '/policy/proposals')).json).toEqual({ proposals: [state.json] });
    expect((await ask('GET', path)).json).toEqual({
      ...state.json,
      signed: JSON.parse(await textBy(document, ann)),
    });
    const { signatures } = await signedBy(document, ben);
    const done = await ask('POST', path, JSON.stringify({ signatures }));
    expect(done).toMatchObject({ status: 200, json: { activated: { version: 1, signers: ['ann', 'ben'] } } });
    expect(await ask('GET', path)).toMatchObject({ status: 404 });
  });

  test('an explanation names the rule', async () => {
    await engine.activate(await textBy(policyOf({ rules }), ann, ben));
    const asked = { subject: 'alice', method: 'write', resource: 'n/docs/a' };
    expect(await ask('POST', '/policy/explain', JSON.stringify(asked))).toMatchObject({
      status: 200,
      json: { decision: 'deny', policy: engine.current()?.id, rules: [{ rule: 'docs', effect: 'forbid' }] },
    });
    const read = JSON.stringify({ ...asked, method: 'read' });
    expect((await ask('POST', '/policy/explain', read)).json).toMatchObject({ decision: 'allow', rules: [] });
  });

  test('refusals have their code and reason', async () => {
    const unsigned = await textBy(policyOf());
    const widening = await textBy(policyOf({ public_prefixes: ['n/a'] }), ann, ben);
    for (const [body, status, reason] of [
      [unsigned, 403, 'unsigned'],
      [widening, 409, 'widens'],
      ['{"document":{"type":"ron-policy"},"signatures":[]}', 400, 'malformed'],
      ['{"document":{},"signatures":[]}', 400, 'malformed'],
    ] as const) {
      expect(await ask('POST', '/policy/activate', body)).toMatchObject({ status, json: { details: { reason } } });
    }
    expect(engine.current()).toBeUndefined();
  });

  test('only the hash is open; reading needs read, changing needs admin', async () => {
    const text = await textBy(policyOf(), ann, ben);
    for (const path of ['/policy/current', '/policy/history', '/policy/proposals']) {
      expect(await ask('GET', path, undefined, '')).toMatchObject({ status: 401 });
      expect(await ask('GET', path, undefined, 'admin')).toMatchObject({ status: 403 });
    }
    for (const path of ['/policy/activate', '/policy/proposals']) {
      expect(await ask('POST', path, text, '')).toMatchObject({ status: 401 });
      expect(await ask('POST', path, text, 'read')).toMatchObject({ status: 403 });
    }
    expect(engine.current()).toBeUndefined();
  });

  test('a policy that forbids everything can still be read and replaced', async () => {
    const first = await engine.activate(
      await textBy(policyOf({ rules: 'forbid(principal, action, resource);' }), ann, ben),
    );
    const next = { version: 2, previous: first.policy, break_change: true, reason: 'it forbade everything' };
    expect(await ask('GET', '/policy/current')).toMatchObject({ status: 200 });
    expect(await ask('POST', '/policy/activate', await textBy(policyOf(next), ann, ben))).toMatchObject({
      status: 200,
      json: { version: 2, reason: 'it forbade everything' },
    });
  });
});

test('the gate tells of a policy that is about to expire, and fails when it has', async () => {
  await engine.activate(await textBy(policyOf(), ann, ben));
  const current = () => service.gates().find(({ gate }) => gate === 'policy.policy-current');
  const at = new Date(engine.current()!.document.expires_at).toISOString();
  for (const [days, expected] of [
    [22.9, { ok: true }],
    [23, { ok: true, reason: `the policy expires at ${at}` }],
  ] as const) {
    time.nowMs = startMs + days * dayMs;
    expect(current(), `${days}`).toEqual({ gate: 'policy.policy-current', ...expected });
  }
  time.nowMs = startMs + 30 * dayMs;
  expect(service.gates()).toContainEqual({
    gate: 'policy.policy-current',
    ok: false,
    reason: expect.stringContaining('expired'),
  });
});
