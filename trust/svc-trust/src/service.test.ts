import { createRamAuditLog } from '@ron/audit';
import { createAuthority, createVerifier } from '@ron/auth';
import { createRamTable } from '@ron/journal';
import { createBus, createMetrics, type KernelEvent, type Log } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { createRamKms } from '@ron/kms';
import { openPolicyEngine } from '@ron/policy';
import { RonError } from '@ron/proto/errors';
import { trustContract, trustLimits } from '@ron/proto/trust';
import { type AuditEntry, bindLocal, hostService, loadCompiler } from '@ron/service';
import { beforeAll, describe, expect, test } from 'vitest';
import { followEveryMs } from './follow/follow-trust.ts';
import { offeredMax, RemoteAudit } from './follow/remote-audit.ts';
import { followTrust, trust } from './service.ts';

// Its import is real I/O, which virtual time does not see.
beforeAll(loadCompiler);

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};
const names = { tenant: 'node', purpose: 'names', alg: 'ed25519' } as const;
const entry: AuditEntry = {
  op: 'gateway.set_name',
  outcome: 'ok',
  corr_id: 'corr-0001',
  subject: 'ann',
  capability_id: 'cap-1',
  tenant: 'acme',
  resources: ['n/docs'],
  fields: { name: 'docs' },
};

/** The process with the keys, and one that follows it, on virtual time. */
async function start() {
  const env = createSimEnv({ seed: 5 });
  const run = <T>(work: Promise<T>) => env.scheduler.settle(work);
  const kms = createRamKms(env);
  const authority = await createAuthority({ kms, env, audience: 'ron' });
  await kms.createKey(names);
  const policy = await run(openPolicyEngine({ env, table: createRamTable({ entriesMax: 1_000 }) }));
  const log = await createRamAuditLog({ env, kms, origin: 'ron.node/test', entriesMax: 10_000, bytesMax: 1e7 });
  const current = () => kms.currentKey(names)!.kid;
  const namesKey = {
    get owner() {
      return current();
    },
    sign: (bytes: Uint8Array) => kms.sign(current(), bytes),
  };
  const metrics = createMetrics();
  const host = {
    env,
    metrics,
    log: silent,
    bus: createBus<KernelEvent>(),
    authenticator: {
      authenticate: () => {
        throw new RonError('unauthenticated', 'clients have no business here');
      },
    },
  };
  const config = { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
  const engines = { chains: authority.chains, policy, log, names: namesKey };
  const hosted = await hostService(trust, host, { config, peers: {}, engines });
  const me = { subject: 'service:gateway-1', capabilityId: 'g', tenant: '', limits: {}, allows: () => true };
  const peer = bindLocal(trustContract, () => hosted.dispatcher, me, env, { roundTrip: true });
  const followed = await run(followTrust({ env, log: silent, metrics: createMetrics(), peer }));
  const wait = (ms: number) => run(new Promise<void>((resolve) => env.clock.after(ms, resolve)));
  return { env, run, kms, authority, log, peer, followed, wait };
}

describe('a process that follows the trust plane', () => {
  test('checks capabilities without a key, and hears of keys that ended', async () => {
    const { env, run, kms, authority, followed, wait } = await start();
    const verifier = createVerifier(followed.chains, { env, audience: 'ron' });
    const token = authority.mint({ subject: 'ann', rights: [{ methods: ['read'], prefix: 'o/' }] });
    const verify = () => run((async () => verifier.verify(token, { remote: '127.0.0.1' }))());
    expect((await verify()).subject).toBe('ann');
    const forged = `${token.slice(0, -2)}${token.endsWith('A') ? 'BA' : 'AA'}`;
    const refused = run((async () => verifier.verify(forged, { remote: '127.0.0.1' }))());
    await expect(refused).rejects.toMatchObject({ code: 'unauthenticated' });
    const [{ kid } = { kid: '' }] = authority.chains.usable().filter(({ scheme }) => scheme === 'hmac');
    await kms.retireKey(kid, { evenActive: true });
    await wait(followEveryMs + 1);
    await expect(verify()).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  test('writes the log there: durable when answered, with a proof for who wants one', async () => {
    const { run, log, followed } = await start();
    const receipt = await run(followed.audit.record(entry));
    expect(log.size).toBe(receipt.index + 1);
    expect(await run(receipt.proof())).toMatch(/^[\w.+/=-]+$/);
    const [stored] = await log.read(receipt.index, receipt.index + 1);
    expect(JSON.parse(new TextDecoder().decode(stored!.entry))).toMatchObject({ op: entry.op, fields: entry.fields });
  });

  test('brings what it offers in the background, what is left at its end, and cuts what is too long', async () => {
    const { run, log, followed, wait } = await start();
    const before = log.size;
    for (let index = 0; index < 100; index += 1)
      followed.audit.offer({ ...entry, fields: { long: 'x'.repeat(100_000) } });
    await wait(200);
    expect(log.size).toBe(before + 100);
    const [stored] = await log.read(before, before + 1);
    expect(JSON.parse(new TextDecoder().decode(stored!.entry))).toMatchObject({ clipped: true });
    followed.audit.offer(entry);
    await run(Promise.resolve(followed[Symbol.asyncDispose]()));
    await wait(100);
    expect(log.size).toBe(before + 101);
  });

  test('signs names with the current key, and not for one that was replaced', async () => {
    const { run, kms, followed, wait } = await start();
    const bytes = new TextEncoder().encode('record');
    const kid = followed.names.owner;
    expect(kms.verify(kid, bytes, await run((async () => followed.names.sign(bytes))()))).toBe(true);
    await kms.rotateKey(kid);
    const signed = run((async () => followed.names.sign(bytes))());
    await expect(signed).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    await wait(1);
    expect(followed.names.owner).not.toBe(kid);
    expect(kms.verify(followed.names.owner, bytes, await run((async () => followed.names.sign(bytes))()))).toBe(true);
  });

  test('does not send again what the asker knows', async () => {
    const { run, peer } = await start();
    const { revision, state } = await run(peer.state({}));
    expect(state?.keys).toHaveLength(2);
    expect(await run(peer.state({ known: revision }))).toEqual({ revision });
  });
});

test('offers past the queue are dropped, counted, and the count is an entry', async () => {
  const env = createSimEnv({ seed: 1 });
  const sent: { op: string; fields: Readonly<Record<string, string>> }[] = [];
  let isThere = false;
  const audit = new RemoteAudit({
    peer: {
      record: () => Promise.reject(new Error('not asked')),
      prove: () => Promise.reject(new Error('not asked')),
      offer: async ({ entries }) => {
        if (!isThere) throw new RonError('unavailable', 'the peer does not answer');
        expect(entries.length).toBeLessThanOrEqual(trustLimits.entriesMax);
        sent.push(...entries);
        return {};
      },
    },
    clock: env.clock,
    metrics: createMetrics(),
    failure: () => (isThere ? undefined : 'the disk is full'),
  });
  expect(() => audit.ready()).toThrow(expect.objectContaining({ code: 'unavailable', details: { gate: 'audit' } }));
  for (let index = 0; index < offeredMax + 3; index += 1) audit.offer(entry);
  await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(2_000, resolve)));
  isThere = true;
  audit.ready();
  await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(2_000, resolve)));
  expect(sent).toHaveLength(offeredMax + 1);
  expect(sent.at(-1)).toMatchObject({ op: 'audit.dropped', fields: { count: '3' } });
});

test('entries that the log refuses hold nobody up: they are dropped and counted', async () => {
  const env = createSimEnv({ seed: 1 });
  const sent: { op: string; fields: Readonly<Record<string, string>> }[] = [];
  const audit = new RemoteAudit({
    peer: {
      record: () => Promise.reject(new Error('not asked')),
      prove: () => Promise.reject(new Error('not asked')),
      offer: async ({ entries }) => {
        if (entries.some(({ op }) => op === 'bad')) throw new RonError('bad_request', 'no such entry');
        sent.push(...entries);
        return {};
      },
    },
    clock: env.clock,
    metrics: createMetrics(),
    failure: () => undefined,
  });
  audit.offer({ ...entry, op: 'bad' });
  await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(2_000, resolve)));
  audit.offer(entry);
  await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(2_000, resolve)));
  expect(sent.map(({ op, fields }) => [op, fields['count']])).toEqual([
    [entry.op, undefined],
    ['audit.dropped', '1'],
  ]);
});
