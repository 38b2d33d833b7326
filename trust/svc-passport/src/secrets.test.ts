import { inspect } from 'node:util';
import { createSimEnv } from '@ron/kernel/sim';
import type { Passport } from '@ron/proto/passport';
import { passportContract } from '@ron/proto/passport';
import { expect, test } from 'vitest';
import { startNode, type TestNode, tables } from './testing/node.ts';

const rights = [{ methods: ['read' as const], prefix: 'n/docs' }];

/** A life with every operation, good and bad, whose secrets are returned. */
async function live(node: TestNode, told: string[]): Promise<string[]> {
  const secrets: string[] = [];
  const keep = (passport: Passport) => {
    secrets.push(passport.capability, passport.refresh_token);
    return passport;
  };
  const tell = (task: Promise<unknown>) =>
    task.then(
      () => told.push('ok'),
      (error: { message: string; details?: unknown }) => told.push(inspect(error, { depth: 9 })),
    );
  const secret = node.store.bootstrapSecret()!.text();
  secrets.push(secret);
  const admin = keep(await node.admin());
  const { capability: token } = admin;
  await tell(node.call('bootstrap', { secret, subject: 'eve' }));
  const ann = keep(await node.call('issue', { subject: 'ann', rights }, { token, key: 'k1' }));
  await tell(
    node.call('issue', { subject: 'ann', rights: [{ methods: ['admin'], prefix: '' }] }, { token: ann.capability }),
  );
  const next = keep(await node.call('refresh', { refresh_token: ann.refresh_token }, { key: 'k2' }));
  await tell(node.call('refresh', { refresh_token: ann.refresh_token }));
  await tell(node.call('refresh', { refresh_token: next.refresh_token }));
  await tell(node.call('profile', {}, { token: next.capability }));
  const bob = keep(await node.call('issue', { subject: 'bob', rights }, { token }));
  await tell(node.call('revoke', { capability_id: bob.capability_id }, { token }));
  node.env.machineDisk.faults.failNth('sync', 1);
  await tell(node.call('refresh', { refresh_token: bob.refresh_token }));
  await tell(node.call('refresh', { refresh_token: bob.refresh_token }));
  return secrets;
}

test('no capability, refresh token or bootstrap secret is in a log line, an error, a metric or the store', async () => {
  const env = createSimEnv({ seed: 'secrets' });
  const table = await env.scheduler.settle(tables.journal(env));
  const node = await startNode({ env, table });
  const told: string[] = [];
  const secrets = await live(node, told);
  const disk: string[] = [];
  for (const name of await env.scheduler.settle(env.disk.list('passports'))) {
    await using file = await env.scheduler.settle(env.disk.open(`passports/${name}`, 'read'));
    const bytes = new Uint8Array(await env.scheduler.settle(file.size()));
    await env.scheduler.settle(file.read(bytes, 0));
    disk.push(Buffer.from(bytes).toString('latin1'));
  }
  const places = {
    log: node.lines.join('\n'),
    errors: told.join('\n'),
    metrics: await node.metrics.exposition(),
    disk: disk.join('\n'),
    inspected: inspect(node.store, { depth: 9, showHidden: true }) + inspect([...table.entries()], { depth: 9 }),
  };
  expect(secrets).toHaveLength(9);
  // The search itself works: what may be there is found.
  expect(places.log).toContain('used refresh token');
  expect(places.disk).toContain('"subject":"ann"');
  for (const [place, text] of Object.entries(places)) {
    for (const secret of secrets) {
      // The random part alone would do for a thief: any 24 characters of it.
      const core = secret.slice(-60, -4);
      const found = [...core.matchAll(/(?=(.{24}))/g)].some(([, part]) => text.includes(part!));
      expect([place, found]).toEqual([place, false]);
    }
  }
});

test('the audit log keeps what was granted, so that it explains what a node allows', () => {
  const { issue, issue_service } = passportContract.operations;
  expect(issue.audit.input).toEqual(
    expect.arrayContaining(['subject', 'tenant', 'rights', 'limits', 'ttl_s', 'scheme', 'key']),
  );
  expect(issue_service.audit.input).toEqual(expect.arrayContaining(['service', 'ttl_s', 'scheme', 'key']));
});

test('the audit log keeps no field that could hold one', () => {
  const secretFields = ['capability', 'refresh_token', 'secret'];
  const privileged = ['bootstrap', 'issue', 'issue_service', 'refresh', 'revoke'];
  for (const [name, operation] of Object.entries(passportContract.operations)) {
    const { audit } = operation as { audit?: { level: string; input?: string[]; output?: string[] } };
    expect([name, audit?.level]).toEqual([name, privileged.includes(name) ? 'privileged' : undefined]);
    const kept = [...(audit?.input ?? []), ...(audit?.output ?? [])];
    expect(kept.filter((field) => secretFields.includes(field))).toEqual([]);
    const known = [operation.input, operation.output].flatMap((schema) =>
      Object.keys((schema as { properties?: object }).properties ?? {}),
    );
    expect(kept.filter((field) => !known.includes(field))).toEqual([]);
  }
});
