import { createHmac, randomBytes } from 'node:crypto';
import { attenuateBiscuit } from '@ron/auth';
import { attenuate, type Hmac } from '@ron/cap';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { envelopeIn } from './oap-attack.ts';
import { baseline, expectRefusal } from './oracle.ts';
import { gatewayApp } from './raw-oap.ts';
import { metricsOf } from './signs.ts';
import { call, createHolder, type Holder, issue, ok, onOap } from './trust-client.ts';

const hmac: Hmac = (key, message) => createHmac('sha512-256', key).update(message).digest();
const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) };

let node: NodeProcess;
let address: string;
let holder: Holder;
const thief = createHolder();
/** Bound to the holder's key, by scheme. */
const bound: Record<string, string> = {};
const schemes = ['hmac', 'ed25519'] as const;

beforeAll(async () => {
  node = await startNodeProcess({ args: ['--oap', '127.0.0.1:0', '--set', 'server.log_level=info'] });
  address = (await ok<{ address: string }>(call(node, 'PUT', '/put', { body: 'kept' }))).address;
  holder = createHolder();
  for (const scheme of schemes) bound[scheme] = (await issue(node, { scheme, key: holder.publicKey })).capability;
});
afterAll(() => node[Symbol.asyncDispose]());

const counted = async (reason: string) =>
  (await metricsOf(node.port)).get(`capability_refused_total{reason="${reason}"}`) ?? 0;
const target = () => `/o/${address}`;
const get = (token: string, proof?: string) =>
  call(node, 'GET', target(), { token, headers: proof === undefined ? {} : { 'ron-proof': proof } });

/** By what the log calls it: what a thief, or a holder in a hurry, shows for `GET /o/…`. */
const attacks: Record<string, [reason: string, make: (token: string) => string | undefined | Promise<string>]> = {
  none: ['proof_missing', () => undefined],
  empty: ['proof_malformed', () => ''],
  'not a proof': ['proof_malformed', () => 'v1.1.2.3'],
  'of another version': [
    'proof_malformed',
    async (token) => (await holder.proof(token, `GET ${target()}`)).replace('v1.', 'v2.'),
  ],
  'with a time in another spelling': [
    'proof_malformed',
    async (token) => (await holder.proof(token, `GET ${target()}`)).replace('v1.', 'v1.0'),
  ],
  stale: ['proof_expired', (token) => holder.proof(token, `GET ${target()}`, -62_000)],
  'from the future': ['proof_expired', (token) => holder.proof(token, `GET ${target()}`, 150_000)],
  'by another key': ['proof_wrong', (token) => thief.proof(token, `GET ${target()}`)],
  'for another path': ['proof_wrong', (token) => holder.proof(token, `GET /o/b3:${'0'.repeat(64)}`)],
  'for the path with a query': ['proof_wrong', (token) => holder.proof(token, `GET ${target()}?download=1`)],
  'for another method': ['proof_wrong', (token) => holder.proof(token, `HEAD ${target()}`)],
  'for OAP/1': ['proof_wrong', (token) => holder.proof(token, `${gatewayApp}/get`)],
  'for another capability': ['proof_wrong', () => holder.proof(node.capability, `GET ${target()}`)],
  'with its time moved': [
    'proof_wrong',
    async (token) => {
      const [version, time, ...rest] = (await holder.proof(token, `GET ${target()}`)).split('.');
      return [version, Number(time) + 1, ...rest].join('.');
    },
  ],
};

describe.each(schemes)('a capability that is bound to a key, scheme %s', (scheme) => {
  for (const [what, [reason, make]] of Object.entries(attacks)) {
    it(`with a proof ${what}: 401, for the log ${reason}`, async () => {
      const token = bound[scheme]!;
      const proof = await make(token);
      const before = await counted(reason);
      await expectRefusal(node, { status: 401, code: 'unauthenticated' }, () => get(token, proof));
      expect((await counted(reason)) - before).toBe(1);
    });
  }

  it('replayed: 401, after it was good once', async () => {
    const token = bound[scheme]!;
    const proof = await holder.proof(token, `GET ${target()}`);
    expect((await get(token, proof)).body.toString()).toBe('kept');
    const before = await counted('proof_replayed');
    await expectRefusal(node, { status: 401, code: 'unauthenticated' }, () => get(token, proof));
    expect((await counted('proof_replayed')) - before).toBe(1);
  });

  it('twenty at once with one proof: one is served', async () => {
    const token = bound[scheme]!;
    const proof = await holder.proof(token, `GET ${target()}`);
    const replies = await Promise.all(Array.from({ length: 20 }, () => get(token, proof)));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(19).fill(401)]);
  });

  it('within the window either way: served', async () => {
    const token = bound[scheme]!;
    for (const shiftMs of [-30_000, 30_000]) {
      expect((await get(token, await holder.proof(token, `GET ${target()}`, shiftMs))).status).toBe(200);
    }
  });

  it('over OAP/1 the proof is for the operation, and counts once', async () => {
    const token = bound[scheme]!;
    const ask = (proof?: string) =>
      onOap(node, { token, op: 'whoami', body: {}, ...(proof === undefined ? {} : { proof }) });
    const good = await holder.proof(token, `${gatewayApp}/whoami`);
    expect((await ask(good)).code).toBe(0);
    const bad = {
      proof_replayed: good,
      proof_missing: undefined,
      proof_wrong: await holder.proof(token, `${gatewayApp}/get`),
      proof_expired: await holder.proof(token, `${gatewayApp}/whoami`, -62_000),
    };
    for (const [reason, proof] of Object.entries(bad)) {
      const calm = await baseline(node);
      const before = await counted(reason);
      expect(envelopeIn(await ask(proof)).code).toBe('unauthenticated');
      expect([reason, (await counted(reason)) - before]).toEqual([reason, 1]);
      await calm.survived({ counted: 'unauthenticated' });
    }
  });

  it('a thief cannot bind it to a second key', async () => {
    const caveats = [{ key: thief.publicKey }];
    const token =
      scheme === 'hmac' ? attenuate(bound[scheme]!, caveats, hmac) : attenuateBiscuit(bound[scheme]!, caveats, random);
    for (const by of [thief, holder]) {
      const proof = await by.proof(token, `GET ${target()}`);
      await expectRefusal(node, { status: 401, code: 'unauthenticated' }, () => get(token, proof));
    }
  });
});

it('a proof is worth nothing without its capability', async () => {
  const proof = await holder.proof(bound['hmac']!, `GET ${target()}`);
  await expectRefusal(node, { status: 401, code: 'unauthenticated' }, () =>
    call(node, 'GET', target(), { token: '', headers: { 'ron-proof': proof } }),
  );
});

it('the log shows no proof', () => {
  expect(node.stderr()).not.toMatch(/v1\.\d{10,}\.[A-Za-z0-9_-]{22}/);
});
