import { createHmac, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { attenuateBiscuit } from '@ron/auth';
import { attenuate, type Caveat, type Hmac } from '@ron/cap';
import type { KeyEntry } from '@ron/proto/kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { type TempFolder, tempFolder } from '../support/temp-folder.ts';
import { treeRoot } from '../support/tree-root.ts';
import { canary, canaryMark, found, type Haystack, type Needle, needle, tokenNeedle } from './canaries.ts';
import { filesBelow } from './folder-state.ts';
import { attacksOn, contracts } from './misfits.ts';
import { request } from './oap-attack.ts';
import { isServed } from './oracle.ts';
import { ask, exchange, type RawReply, requestBytes } from './raw-http.ts';
import { frame, hello, oneShot, payloadOf, probe, RawOap } from './raw-oap.ts';
import { eventually } from './signs.ts';
import { call, createHolder, issue, ok, onOap, type Passport, passportApp, post } from './trust-client.ts';
import { pagesOf, privateKeys, writtenBy } from './written.ts';

const hmac: Hmac = (key, message) => createHmac('sha512-256', key).update(message).digest();
let folder: TempFolder;
let node: NodeProcess;
let bannerEnd: number;
let stored: string;
const needles: Needle[] = [];
const haystacks: Haystack[] = [];
/** Status codes of what was sent with a canary in it. */
const planted: number[] = [];

const plantToken = (what: string, token: string) => needles.push(tokenNeedle(what, token));
const plantPassport = (what: string, { capability, refresh_token }: Passport) => {
  plantToken(`the capability of ${what}`, capability);
  plantToken(`the refresh token of ${what}`, refresh_token);
};

/** What a caller is told of a refusal must not show what was refused. */
function keep(what: string, { status, headers, body }: RawReply): void {
  planted.push(status);
  if (status < 400) return;
  const bytes = Buffer.concat([Buffer.from(`${status} ${JSON.stringify(headers)}\n`), body]);
  haystacks.push({ where: `the answer to ${what}`, bytes });
}

beforeAll(async () => {
  folder = tempFolder();
  const limits = ['--set', 'gateway.requests_per_second=100000', '--set', 'gateway.burst=100000'];
  node = await startNodeProcess({
    args: ['--persist', folder.join('data'), '--oap', '127.0.0.1:0', '--set', 'server.log_level=debug', ...limits],
  });
  await eventually(() => node.stdout().includes('npx ron tour'), { what: 'all is printed' });
  bannerEnd = node.stdout().length;
  plantToken("the owner's capability", node.capability);
  stored = (await ok<{ address: string }>(call(node, 'PUT', '/put', { body: 'kept' }))).address;
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe('secrets are used', () => {
  it('passports: made, weakened, refreshed, used twice, revoked', async () => {
    const secret = /RON_BOOTSTRAP_SECRET=(\S+)/.exec(node.stdout())![1]!;
    plantToken('the bootstrap secret', secret);
    const admin = await ok<Passport>(
      post(
        node,
        '/passport/bootstrap',
        { secret, subject: 'admin' },
        { token: '', headers: { 'idempotency-key': 'b1' } },
      ),
    );
    plantPassport('the administrator', admin);
    keep('a used secret', await post(node, '/passport/bootstrap', { secret, subject: 'admin' }, { token: '' }));
    for (const scheme of ['hmac', 'ed25519'] as const) {
      const first = await issue(node, { scheme }, admin.capability);
      plantPassport(`alice, ${scheme}`, first);
      const caveats: Caveat[] = [{ rights: [{ methods: ['read'], prefix: 'o/' }] }];
      const weaker =
        scheme === 'hmac'
          ? attenuate(first.capability, caveats, hmac)
          : attenuateBiscuit(first.capability, caveats, { bytes: (count) => new Uint8Array(randomBytes(count)) });
      plantToken(`weakened, ${scheme}`, weaker);
      expect((await call(node, 'GET', `/o/${stored}`, { token: weaker })).status).toBe(200);
      keep('a weak one', await call(node, 'PUT', '/put', { token: weaker, body: 'x' }));
      expect((await onOap(node, { token: weaker, op: 'get', body: { address: stored } })).code).toBe(0);
      const headers = { 'idempotency-key': `r-${scheme}` };
      const refresh = (refresh_token: string, more = {}) =>
        post(node, '/passport/refresh', { refresh_token }, { token: '', headers: more });
      const second = await ok<Passport>(refresh(first.refresh_token, headers));
      plantPassport(`alice again, ${scheme}`, second);
      keep('a used refresh token', await refresh(first.refresh_token));
      keep('a revoked capability', await call(node, 'GET', `/o/${stored}`, { token: second.capability }));
      keep('a broken one', await call(node, 'GET', `/o/${stored}`, { token: `${second.capability.slice(0, -2)}AA` }));
    }
  });

  it('proofs of possession, good and bad', async () => {
    const holder = createHolder();
    const { capability: token } = await issue(node, { key: holder.publicKey });
    for (const [shiftMs, status] of [
      [0, 200],
      [-99_000, 401],
    ] as const) {
      const proof = await holder.proof(token, `GET /o/${stored}`, shiftMs);
      const [, , nonce, signature] = proof.split('.');
      needles.push(needle('the nonce of a proof', nonce!), needle('a proof', signature!.slice(0, 40)));
      const reply = await call(node, 'GET', `/o/${stored}`, { token, headers: { 'ron-proof': proof } });
      expect(reply.status).toBe(status);
      keep('a proof', reply);
    }
  });

  it('plaintexts for the keystore: signed, tagged, wrapped, unwrapped', async () => {
    const create = (alg: string) => ok<KeyEntry>(post(node, '/kms/keys', { tenant: 'acme', purpose: 'data', alg }));
    const [signing, tagging, wrapping] = [await create('ed25519'), await create('hmac'), await create('aes-256-gcm')];
    const base64 = () => Buffer.from(canary()).toString('base64');
    await ok(post(node, '/kms/sign', { kid: signing.kid, payload_base64: base64() }));
    await ok(post(node, '/kms/mac', { kid: tagging.kid, payload_base64: base64() }));
    const aad_base64 = base64();
    const { wrapped_base64 } = await ok<{ wrapped_base64: string }>(
      post(node, '/kms/wrap', { kid: wrapping.kid, plaintext_base64: base64(), aad_base64 }),
    );
    await ok(post(node, '/kms/unwrap', { kid: wrapping.kid, wrapped_base64, aad_base64 }));
    await ok(post(node, '/kms/rewrap', { kid: wrapping.kid, items: [{ wrapped_base64, aad_base64 }] }));
    keep('another aad', await post(node, '/kms/unwrap', { kid: wrapping.kid, wrapped_base64, aad_base64: base64() }));
    keep('a wrong key', await post(node, '/kms/wrap', { kid: signing.kid, plaintext_base64: base64() }));
    keep('no base64', await post(node, '/kms/sign', { kid: signing.kid, payload_base64: `${canary()}!` }));
    keep(
      'a wrong tag',
      await post(node, '/kms/verify', { kid: tagging.kid, payload_base64: base64(), signature_base64: base64() }),
    );
  });
});

describe('canaries are sent', () => {
  it('in every field of every JSON body and query, in shapes that do not fit', async () => {
    for (const contract of contracts) {
      for (const [name, operation] of Object.entries(contract.operations)) {
        const properties = (operation.input as { properties?: Record<string, unknown> }).properties ?? {};
        for (const route of operation.http ?? []) {
          for (const field of [...Object.keys(properties), 'no_such_field']) {
            for (const attack of attacksOn(node, route, field))
              keep(`${contract.name}.${name} ${field}`, await attack());
          }
        }
      }
    }
    expect(planted.length).toBeGreaterThan(500);
    expect(planted.filter((status) => status >= 400).length).toBeGreaterThan(planted.length / 2);
    expect(planted.filter((status) => status >= 500)).toEqual([]);
  });

  it('in JSON that is none', async () => {
    const bodies = [
      () => canary(),
      () => `{"refresh_token":"${canary()}`,
      () => `{"refresh_token":"${canary()}"} ${canary()}`,
      () => `{"refresh_token":${canary()}}`,
      () => `{"${canary()}":1,"refresh_token":"x","refresh_token":"x"}`,
      () => `["${canary()}"]`,
      () => `"${canary()}"`,
    ];
    for (const target of [
      '/passport/refresh',
      '/passport/bootstrap',
      '/kms/sign',
      '/policy/activate',
      '/registry/snapshots',
    ]) {
      for (const body of bodies) keep(`no JSON to ${target}`, await post(node, target, body()));
    }
  });

  it('as credentials and as headers', async () => {
    const headers: Record<string, string>[] = [
      { Authorization: `Bearer ${canary()}` },
      { Authorization: `Bearer ron1_${canary()}` },
      { Authorization: `Bearer ron1b_${canary()}` },
      { Authorization: `Basic ${Buffer.from(`me:${canary()}`).toString('base64')}` },
      { Authorization: canary() },
      { 'RON-Cap': canary() },
      { 'ron-proof': canary(), Authorization: `Bearer ${node.capability}` },
      { Cookie: `session=${canary()}`, Authorization: `Bearer ${canary()}` },
      { 'X-Api-Key': canary() },
      { 'Proxy-Authorization': canary() },
      { Authorization: `Bearer ${node.capability}`, 'RON-Cap': canary() },
    ];
    for (const each of headers) {
      for (const [method, target] of [
        ['GET', `/o/${stored}`],
        ['POST', '/passport/issue'],
        ['GET', '/no/such/route'],
      ] as const) {
        keep(
          Object.keys(each).join(),
          await ask(node.port, { method, target, headers: each, ...(method === 'POST' ? { body: '{}' } : {}) }),
        );
      }
    }
    keep('a query', await call(node, 'GET', `/o/${stored}?access_token=${canary()}`));
    keep('a query of nothing', await call(node, 'GET', `/no/such/route?access_token=${canary()}`));
    keep(
      'a bad head',
      await exchange(node.port, `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${canary()}\n x\r\n\r\n`),
    );
    keep(
      'too long a head',
      await exchange(node.port, requestBytes({ target: '/', headers: { Authorization: canary().repeat(1_000) } })),
    );
  });

  it('as refresh tokens and bootstrap secrets', async () => {
    for (const refresh_token of [canary(), `ronr_${canary().padEnd(91, 'A')}`]) {
      keep('refresh', await post(node, '/passport/refresh', { refresh_token }, { token: '' }));
    }
    keep('bootstrap', await post(node, '/passport/bootstrap', { secret: canary(), subject: 'me' }, { token: '' }));
    const heard = await onOap(node, { token: '', op: 'refresh', app: passportApp, body: { refresh_token: canary() } });
    haystacks.push({ where: 'an answer over OAP/1', bytes: heard.payload });
  });

  it('over OAP/1: as capability, header, hello and body', async () => {
    const frames = [
      request(canary(), 1, 'whoami', '{}'),
      request(`ron1_${canary()}`, 1, 'whoami', '{}'),
      request(node.capability, 1, 'issue', `{"subject":"${canary()}`, { app: passportApp }),
      request(node.capability, 1, 'issue', `{"rights":"${canary()}"}`, { app: passportApp }),
      request(node.capability, 1, 'whoami', '', { payload: payloadOf({ op: 'whoami', proof: canary() }, '{}') }),
      request(node.capability, 1, 'whoami', '', { payload: payloadOf(`{"op":"${canary()}`, '{}') }),
      request(node.capability, 1, 'whoami', '', { payload: payloadOf({ op: canary() }, '{}') }),
    ];
    for (const each of frames) {
      using client = await new RawOap(node.oapPort).ready();
      client.say(each);
      const heard = await client.next();
      haystacks.push({ where: 'an answer over OAP/1', bytes: heard.payload });
    }
    using client = new RawOap(node.oapPort);
    client.say(hello({ proto: canary() }), probe, frame({ flags: oneShot, payload: canary() }));
    await client.end();
    haystacks.push({
      where: 'an answer to a hello',
      bytes: Buffer.concat(client.frames.map(({ payload }) => payload)),
    });
  });
});

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('of all that the node wrote and said', () => {
  it('nothing shows a secret: in its log, its files, its pages, its answers, its process', async () => {
    const keys = await privateKeys(folder.join('data'));
    expect(keys.length).toBeGreaterThan(8);
    needles.push(...keys, needle('a canary', canaryMark));
    haystacks.push(...(await pagesOf(node)), ...writtenBy(node, folder.join('data'), bannerEnd));
    expect(node.stderr().length).toBeGreaterThan(100_000);
    expect(haystacks.find(({ where }) => where === '/audit/export')!.bytes.length).toBeGreaterThan(10_000);
    expect(found(needles, haystacks).slice(0, 20)).toEqual([]);
  });

  it('the search finds what is planted, in every spelling', () => {
    const secret = randomBytes(32);
    const text = canary();
    const spellings: (string | Buffer)[] = [
      secret,
      secret.toString('hex'),
      secret.toString('hex').toUpperCase(),
      secret.toString('base64'),
      secret.toString('base64url'),
      Buffer.concat([Buffer.from('x'), secret, Buffer.from('yz')]).toString('base64url'),
      Buffer.concat([Buffer.from('xy'), secret]).toString('base64'),
      `"${text}"`,
      Buffer.from(`{"a":"${text}"}`).toString('base64'),
    ];
    for (const spelling of spellings) {
      const bytes = Buffer.concat([randomBytes(50), Buffer.from(spelling), randomBytes(50)]);
      expect(found([needle('it', secret), needle('a canary', canaryMark)], [{ where: 'there', bytes }])).not.toEqual(
        [],
      );
    }
    const token = `ronr_${randomBytes(68).toString('base64url')}`;
    const bytes = Buffer.from(`a log line with ${token}`);
    expect(found([tokenNeedle('it', token)], [{ where: 'there', bytes }])).not.toEqual([]);
  });

  it('keys are for their owner alone', () => {
    const data = folder.join('data');
    for (const path of filesBelow(data)) {
      if (path.startsWith('keys/')) expect([path, modeOf(join(data, path))]).toEqual([path, 0o600]);
    }
    expect(modeOf(join(data, 'keys'))).toBe(0o700);
  });

  it('no signal makes it write down its memory', async () => {
    const reports = () => readdirSync('.').filter((name) => /^(report|core|Heap)\.?/.test(name));
    const before = reports();
    node.kill('SIGUSR2');
    expect(await node.exited).toEqual({ code: null, signal: 'SIGUSR2' });
    expect(reports()).toEqual(before);
    expect(readdirSync(folder.join('data')).filter((name) => /report|core|heap/i.test(name))).toEqual([]);
    const last = node.stderr().slice(-20_000);
    expect(found([...needles], [{ where: 'its last words', bytes: Buffer.from(last) }])).toEqual([]);
  });
});

it('started as `npm start` does, it leaves no core file, and no signal opens a debugger', async () => {
  const { scripts } = JSON.parse(readFileSync(join(treeRoot, 'package.json'), 'utf8')) as {
    scripts: { start: string };
  };
  const [limit, , command] = scripts.start.split(' && ');
  const flags = command!.split(' ').filter((word) => word.startsWith('--'));
  const wrapper = ['sh', '-c', `${limit}; node=$1; shift; exec "$node" ${flags.join(' ')} "$@"`, 'sh'];
  await using started = await startNodeProcess({ wrapper });
  expect(readFileSync(`/proc/${started.pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 /m);
  started.kill('SIGUSR1');
  await isServed(started);
  await isServed(started);
  expect(started.stderr()).not.toContain('Debugger');
});
