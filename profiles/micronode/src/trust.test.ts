import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { verifyEd25519 } from '@ron/audit';
import { attenuate } from '@ron/cap';
import { hmac } from '@ron/cap/hmac';
import { type PolicyDocument, policyId, signPolicy } from '@ron/policy';
import { kmsContract } from '@ron/proto/kms';
import type { Passport } from '@ron/proto/passport';
import { OapLink } from '@ron/service';
import { encodeSigned } from '@ron/signed';
import { verifyReceipt } from '@ron/tlog';
import { afterEach, expect, test } from 'vitest';
import { startNode } from './fixtures/start-node.ts';

type TestNode = Awaited<ReturnType<typeof startNode>>;
const everything = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }] as const;
const folder = (prefix: string) => [{ methods: ['read', 'write'], prefix }] as const;

let running: TestNode | undefined;
afterEach(async () => {
  await running?.node[Symbol.asyncDispose]();
  running = undefined;
});

async function start(overrides: Readonly<Record<string, string>> = {}) {
  running = await startNode(overrides);
  const { node, capabilityFor, env } = running;
  const owner = capabilityFor([{ ...everything[0], methods: [...everything[0].methods] }]);
  const url = `http://127.0.0.1:${(node.http as { port: number }).port}`;
  const ask = async (method: string, path: string, body?: unknown, token = owner, headers = {}) => {
    const reply = await fetch(url + path, {
      method,
      headers: { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await reply.text();
    const isJson = reply.headers.get('content-type') === 'application/json';
    return { status: reply.status, headers: reply.headers, text, json: isJson ? JSON.parse(text) : undefined };
  };
  const leaves = async () =>
    (await ask('GET', '/audit/export')).text
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => JSON.parse(line).entry as { op: string; outcome: string; fields: Record<string, string> });
  const store = async (text: string) => (await ask('PUT', '/put', text)).json.address as string;
  return { node, env, owner, ask, leaves, store };
}

test('the chain is closed: a passport issues, auth verifies, the handler runs, audit proves, a revocation ends it', async () => {
  const { node, ask, leaves, store } = await start();
  const secret = node.trust.passports.bootstrapSecret()!.text();
  const admin: Passport = (await ask('POST', '/passport/bootstrap', { secret, subject: 'admin' }, '')).json;
  const request = { subject: 'alice', rights: folder('n/docs/'), ttl_s: 3_600 };
  const alice: Passport = (await ask('POST', '/passport/issue', request, admin.capability)).json;
  const weaker = attenuate(alice.capability, [{ rights: [{ methods: ['write'], prefix: 'n/docs/a' }] }], hmac);
  const address = await store('hello');
  const set = await ask('PUT', '/name/docs/a', { address }, weaker, { 'ron-receipt': '1' });
  expect(set).toMatchObject({ status: 200, json: { version: 1 } });
  expect((await ask('PUT', '/name/docs/b', { address }, weaker)).status).toBe(403);
  const { keys } = (await ask('GET', '/audit/key', undefined, '')).json as { keys: string[] };
  const receipt = await verifyReceipt(set.headers.get('ron-audit-receipt')!, { keys, verify: verifyEd25519 });
  expect(JSON.parse(new TextDecoder().decode(receipt.entry))).toMatchObject({
    op: 'gateway.set_name',
    outcome: 'ok',
    subject: 'alice',
    capability_id: alice.capability_id,
    fields: { name: 'docs/a', address, version: '1' },
  });
  const revoke = { capability_id: alice.capability_id };
  expect((await ask('POST', '/passport/revoke', revoke, admin.capability)).status).toBe(200);
  for (const token of [alice.capability, weaker]) {
    expect((await ask('PUT', '/name/docs/a', { address }, token)).status).toBe(401);
  }
  const kept = (await leaves()).map(({ op, outcome }) => `${op} ${outcome}`);
  for (const leaf of ['passport.bootstrap ok', 'passport.issue intent', 'passport.issue ok', 'passport.revoke ok']) {
    expect(kept).toContain(leaf);
  }
  const text = JSON.stringify(await leaves());
  for (const hidden of [secret, admin.capability, admin.refresh_token, alice.capability, alice.refresh_token, weaker]) {
    expect(text).not.toContain(hidden);
  }
});

test('with the audit log unable to write, privileged calls are refused and reading goes on', async () => {
  const { node, ask, store } = await start();
  const address = await store('hello');
  await node.trust.audit[Symbol.asyncDispose]();
  expect(await ask('POST', '/passport/issue', { subject: 'x', rights: folder('n/x/') })).toMatchObject({
    status: 503,
    json: { code: 'unavailable' },
  });
  expect((await ask('GET', `/o/${address}`)).text).toBe('hello');
});

interface Signer {
  readonly key: KeyObject;
  readonly raw: string;
}
function signer(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  return { key: privateKey, raw: x! };
}
const signed = async (document: PolicyDocument, name: string, { key }: Signer) => {
  const policy = await signPolicy(document, name, { ed25519: (bytes) => sign(null, bytes, key) });
  return encodeSigned(policy as never);
};

test('a policy takes effect with the next request: quota, public names, rules; a wider one needs its reason', async () => {
  const alice = signer();
  const { env, ask, store, leaves } = await start({ 'policy.root_signers': `alice:${alice.raw}` });
  const address = await store('hello');
  await ask('PUT', '/name/www/a', { address });
  await ask('PUT', '/name/secret/a', { address });
  expect((await ask('GET', '/name/resolve/www/a', undefined, '')).status).toBe(401);
  const first: PolicyDocument = {
    type: 'ron-policy',
    version: 1,
    expires_at: env.clock.wallMs() + 3_600_000,
    break_change: true,
    reason: 'the website is for everyone',
    signers: [{ name: 'alice', ed25519: alice.raw }],
    threshold: 1,
    public_prefixes: ['n/www/'],
    body_limits: { object_bytes_max: 10, control_bytes_max: 131_072 },
    rules: 'forbid (principal, action, resource in Resource::"n/secret");',
  };
  const activate = async (document: PolicyDocument, by = alice) =>
    ask('POST', '/policy/activate', await signed(document, 'alice', by));
  expect(await activate(first, signer())).toMatchObject({ json: { code: 'forbidden' } });
  expect(await activate(first)).toMatchObject({ status: 200 });
  expect((await ask('GET', '/name/resolve/www/a', undefined, '')).status).toBe(200);
  expect((await ask('GET', '/name/resolve/secret/a')).status).toBe(403);
  expect((await ask('PUT', '/put', 'eleven bytes')).status).toBe(413);
  expect((await ask('POST', '/o/has', `{"addresses":[]}${' '.repeat(131_072)}`)).status).toBe(413);
  const blake3 = (bytes: Uint8Array) => env.work.blake3(bytes);
  const { break_change: _b, reason: _r, ...quiet } = first;
  const second: PolicyDocument = {
    ...quiet,
    version: 2,
    previous: policyId(first, blake3),
    quotas: { requests_per_second: 1, burst: 4 },
  };
  expect(await activate({ ...second, body_limits: {} })).toMatchObject({
    json: { details: { reason: 'widens' } },
  });
  expect((await activate(first)).json).toMatchObject({ details: { reason: 'older' } });
  const kept = (await leaves()).filter(({ op }) => op === 'policy.activate');
  expect(kept.map(({ outcome }) => outcome)).toEqual(expect.arrayContaining(['ok', 'forbidden', 'conflict']));
  expect((await activate(second)).status).toBe(200);
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask('GET', '/name/resolve/www/a')));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
});

test('a policy lowers what a tenant may keep in mailboxes, from the next message on', async () => {
  const alice = signer();
  const { env, ask } = await start({ 'policy.root_signers': `alice:${alice.raw}` });
  const send = async () => (await ask('POST', '/mailbox/inbox/send', { body: 'hi' })).status;
  expect([await send(), await send()]).toEqual([200, 200]);
  const document: PolicyDocument = {
    type: 'ron-policy',
    version: 1,
    expires_at: env.clock.wallMs() + 3_600_000,
    signers: [{ name: 'alice', ed25519: alice.raw }],
    threshold: 1,
    quotas: { mailbox: { tenant_messages_max: 3 } },
  };
  expect((await ask('POST', '/policy/activate', await signed(document, 'alice', alice))).status).toBe(200);
  expect([await send(), await send()]).toEqual([200, 429]);
});

test('the trust services answer on OAP under their app ids, with the caller’s own rights', async () => {
  const { node, env, owner } = await start();
  const capability = () => new TextEncoder().encode(owner);
  await using link = new OapLink({ env, address: node.oap!, capability });
  const { keys } = await link.peer(kmsContract).list({});
  expect(keys.map(({ purpose }) => purpose)).toContain('capability');
  await using stranger = new OapLink({ env, address: node.oap!, capability: () => undefined });
  await expect(stranger.peer(kmsContract).list({})).rejects.toMatchObject({ code: 'unauthenticated' });
});
