import { createSimEnv } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { silentLog, testIdentity } from '../testing/test-nodes.ts';
import { CertificateSource } from './certificate-source.ts';
import type { NodeIdentity } from './node-identity.ts';
import { proveNode } from './peer-certificate.ts';

const hourMs = 3_600_000;

async function source(change: Partial<NodeIdentity> = {}) {
  const env = createSimEnv({ seed: 1 });
  const identity = { ...(await testIdentity(env)), ...change };
  const options = { env, identity, log: silentLog, validityMs: 24 * hourMs };
  const certificates = await CertificateSource.open(options);
  const good = () =>
    typeof proveNode(certificates.current.der, { nowMs: env.clock.wallMs(), work: env.work }) === 'object';
  return { env, certificates, good };
}

test('a certificate is followed by the next when two thirds of it are over; its end is never reached', async () => {
  const { env, certificates, good } = await source();
  const first = certificates.tls();
  await env.scheduler.runFor(16 * hourMs - 1);
  expect(certificates.tls()).toBe(first);
  await env.scheduler.runFor(1_001);
  expect(certificates.tls()).not.toBe(first);
  for (let day = 0; day < 14; day += 1) {
    await env.scheduler.runFor(12 * hourMs);
    expect(good()).toBe(true);
  }
  certificates[Symbol.dispose]();
  await env.scheduler.runUntilIdle();
});

test('a key that does not sign leaves the present certificate, and is asked again after a minute, not for each connection', async () => {
  let asked = 0;
  let broken = false;
  const env = createSimEnv({ seed: 1 });
  const inner = await testIdentity(env);
  const sign = async (statement: Uint8Array) => {
    asked += 1;
    if (broken) throw new Error('the keystore is closed');
    return inner.sign(statement);
  };
  const certificates = await CertificateSource.open({
    env,
    identity: { ...inner, sign },
    log: silentLog,
    validityMs: 24 * hourMs,
  });
  const first = certificates.tls();
  broken = true;
  asked = 0;
  await env.scheduler.runFor(16 * hourMs + 30_000);
  expect(asked).toBe(1);
  for (let connection = 0; connection < 100; connection += 1) expect(certificates.tls()).toBe(first);
  expect(asked).toBe(1);
  broken = false;
  await env.scheduler.runFor(60_000);
  expect(certificates.tls()).not.toBe(first);
  certificates[Symbol.dispose]();
});

test('a wall clock that jumps, forward or back, is followed at the next connection', async () => {
  const { env, certificates, good } = await source();
  for (const jumpMs of [100 * hourMs, -200 * hourMs]) {
    env.clock.jumpWall(jumpMs);
    certificates.tls();
    await certificates.renew();
    expect(good()).toBe(true);
  }
  certificates[Symbol.dispose]();
});
