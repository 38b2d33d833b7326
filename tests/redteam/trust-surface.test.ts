import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { envelopeIn } from './oap-attack.ts';
import { baseline, expectRefusal } from './oracle.ts';
import { ask } from './raw-http.ts';
import { metricsOf } from './signs.ts';
import { call, issue, leavesOf, ok, onOap, post } from './trust-client.ts';

const folder = tempFolder();
let node: NodeProcess;
beforeAll(async () => {
  const args = ['--persist', folder.join('data'), '--oap', '127.0.0.1:0', '--set', 'server.log_level=info'];
  node = await startNodeProcess({ args });
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe('a tile of the audit log is a name, never a path', () => {
  const paths = [
    '../../keys/identity.txt',
    '..%2f..%2fkeys%2fidentity.txt',
    '%2e%2e/%2e%2e/keys/identity.txt',
    'entries/../../../keys/identity.txt',
    'entries%2f..%2f..%2f..%2fkeys%2fkeystore.age',
    'entries/000%00',
    'entries/x000/000',
    'entries/000.p/256',
    'entries/000.p/0',
    'journal/00000001.log',
    '../checkpoint',
    '64/000',
    '-1/000',
    '/etc/passwd',
    'entries/999',
  ];
  for (const path of paths) {
    it(path, async () => {
      const reply = await call(node, 'GET', `/audit/tile/${path}`);
      expect([400, 404]).toContain(reply.status);
      expect(reply.body.toString()).not.toMatch(/AGE-SECRET|age-encryption|root:/);
      expect(node.alive).toBe(true);
    });
  }
});

describe('a version of the registry is a number', () => {
  it.each(['0', '-1', '1e0', '1.0', '%31%00', '..%2f1', '9007199254740993', 'x'])('%s', async (version) => {
    expect([400, 404]).toContain((await call(node, 'GET', `/registry/${version}`)).status);
  });
});

describe('what administers needs its capability', () => {
  const calls: [method: string, target: string, app: number, op: string, body: unknown][] = [
    ['POST', '/passport/issue', 0x0402, 'issue', { subject: 'mallory', rights: [{ methods: ['read'], prefix: '' }] }],
    ['POST', '/passport/revoke', 0x0402, 'revoke', { subject: 'owner' }],
    ['GET', '/passport/subjects', 0x0402, 'list', {}],
    ['GET', '/passport/revocations', 0x0402, 'revocations', {}],
    ['GET', '/kms/keys', 0x0401, 'list', {}],
    ['POST', '/kms/keys', 0x0401, 'create', { tenant: 'acme', purpose: 'x', alg: 'hmac' }],
    ['POST', '/registry/proposals', 0x0303, 'propose', { expected_version: 1, changes: [] }],
    ['GET', '/audit/tail', 0x0404, 'tail', {}],
    ['GET', '/policy/current', 0x0403, 'current', {}],
  ];
  for (const [method, target, app, op, body] of calls) {
    it(`${method} ${target}: 401 without, 403 with one for something else, over OAP/1 too`, async () => {
      const parts = method === 'GET' ? {} : { body };
      const { capability } = await issue(node, { rights: [{ methods: ['read', 'write', 'admin'], prefix: 'n/' }] });
      await expectRefusal(node, { status: 401, code: 'unauthenticated' }, () =>
        call(node, method, target, { ...parts, token: '' }),
      );
      await expectRefusal(node, { status: 403, code: 'forbidden' }, () =>
        call(node, method, target, { ...parts, token: capability }),
      );
      for (const [token, code] of [
        ['', 'unauthenticated'],
        [capability, 'forbidden'],
      ] as const) {
        expect(envelopeIn(await onOap(node, { token, op, app, body })).code).toBe(code);
      }
    });
  }

  it('a method override changes nothing', async () => {
    const headers = { 'X-HTTP-Method-Override': 'POST', 'X-HTTP-Method': 'POST', 'X-Method-Override': 'POST' };
    const reply = await ask(node.port, { method: 'GET', target: '/passport/revoke', headers });
    expect([404, 405]).toContain(reply.status);
  });
});

it('strangers cannot fill the log, and hide nothing: what is left out is counted in it', async () => {
  const calm = await baseline(node);
  const before = (await leavesOf(node)).length;
  for (let at = 0; at < 600; at += 30) {
    await Promise.all(
      Array.from({ length: 30 }, (_, more) =>
        post(node, '/passport/refresh', { refresh_token: `wrong-${at + more}` }, { token: '' }),
      ),
    );
  }
  await calm.survived({ counted: 'unauthenticated' });
  const suppressed = (await metricsOf(node.port)).get('audit_refusals_suppressed_total') ?? 0;
  expect(suppressed).toBeGreaterThan(300);
  // Who has a capability is heard among them, and the node works for them.
  await expectRefusal(node, { status: 409, code: 'conflict' }, () =>
    post(node, '/registry/proposals', { expected_version: 99, changes: [] }),
  );
  await ok(post(node, '/kms/keys', { tenant: 'acme', purpose: 'after', alg: 'hmac' }));
  const leaves = (await leavesOf(node)).slice(before);
  expect(leaves.filter(({ op }) => op === 'passport.refresh').length).toBeLessThan(300);
  expect(leaves.filter(({ op }) => op === 'registry.propose').map(({ outcome }) => outcome)).toContain('conflict');
});
