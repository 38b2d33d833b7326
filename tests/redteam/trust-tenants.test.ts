import type { KeyEntry } from '@ron/proto/kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { expectRefusal } from './oracle.ts';
import { call, everything, issue, ok, type Passport, post } from './trust-client.ts';

let node: NodeProcess;
/** Allowed everything, and bound to the tenant acme. */
let token: string;
let bob: Passport;
let root: Passport;
let otherKid: string;
let nodeKid: string;

beforeAll(async () => {
  node = await startNodeProcess({ args: ['--set', 'server.log_level=info'] });
  token = (await issue(node, { subject: 'acme-admin', tenant: 'acme' })).capability;
  bob = await issue(node, { subject: 'bob', tenant: 'other' });
  root = await issue(node, { subject: 'root' });
  otherKid = (await ok<KeyEntry>(post(node, '/kms/keys', { tenant: 'other', purpose: 'data', alg: 'aes-256-gcm' })))
    .kid;
  nodeKid = (await ok<{ keys: KeyEntry[] }>(call(node, 'GET', '/kms/keys?tenant=node'))).keys[0]!.kid;
});
afterAll(() => node[Symbol.asyncDispose]());

const codes = { 403: 'forbidden', 404: 'not_found' } as const;

describe('the administrator of one tenant has no power over', () => {
  const calls: Record<string, [status: 403 | 404, target: string, body?: () => object]> = {
    'passports of another': [403, '/passport/issue', () => ({ subject: 'x', tenant: 'other', rights: everything })],
    'passports of none': [403, '/passport/issue', () => ({ subject: 'x', tenant: '', rights: everything })],
    "another tenant's capabilities": [404, '/passport/revoke', () => ({ capability_id: bob.capability_id })],
    'capabilities of none': [404, '/passport/revoke', () => ({ capability_id: root.capability_id })],
    "another tenant's subjects": [403, '/passport/revoke', () => ({ subject: 'bob', tenant: 'other' })],
    'the owner': [404, '/passport/revoke', () => ({ subject: 'owner' })],
    "another tenant's families": [404, '/passport/revoke', () => ({ family: bob.family })],
    'key versions that mint': [403, '/passport/revoke', () => ({ kid: nodeKid })],
    "another tenant's profiles": [403, '/passport/profile?subject=bob&tenant=other'],
    'the revocation feed': [403, '/passport/revocations'],
    'services of the node': [403, '/passport/services', () => ({ service: 'gateway', key: 'A'.repeat(43) })],
    'the rotation of the node’s keys': [404, '/kms/rotate', () => ({ kid: nodeKid })],
    'the end of the node’s keys': [404, '/kms/retire', () => ({ kid: nodeKid, even_active: true })],
    "another tenant's key, to wrap": [404, '/kms/wrap', () => ({ kid: otherKid, plaintext_base64: 'aGVsbG8=' })],
    "another tenant's key, to destroy": [404, '/kms/destroy', () => ({ kid: otherKid, even_active: true })],
    'keys for another': [403, '/kms/keys', () => ({ tenant: 'other', purpose: 'x', alg: 'hmac' })],
    'keys for the node': [403, '/kms/keys', () => ({ tenant: 'node', purpose: 'x', alg: 'hmac' })],
    'the audit log': [403, '/audit/tail?from=0&limit=1'],
    'its export': [403, '/audit/export'],
    'its tiles': [403, '/audit/tile/entries/000'],
    'the policy': [403, '/policy/current'],
    'the next registry snapshot': [403, '/registry/proposals', () => ({ expected_version: 1, changes: [] })],
    'the node’s signature': [403, '/registry/approvals', () => ({ proposal: `b3:${'0'.repeat(64)}`, as_node: true })],
    collection: [403, '/admin/collect', () => ({})],
  };
  for (const [what, [status, target, body]] of Object.entries(calls)) {
    it(`${what}: ${status}`, async () => {
      await expectRefusal(node, { status, code: codes[status] }, () =>
        body === undefined ? call(node, 'GET', target, { token }) : post(node, target, body(), { token }),
      );
    });
  }

  it('anybody after all that: everything is as it was', async () => {
    for (const { capability } of [bob, root]) {
      expect((await call(node, 'GET', '/passport/profile', { token: capability })).status).toBe(200);
    }
    const { keys } = await ok<{ keys: KeyEntry[] }>(call(node, 'GET', '/kms/keys'));
    expect(keys.filter(({ state }) => state !== 'active')).toEqual([]);
  });

  it('what it sees is its own', async () => {
    for (const tenant of ['', '?tenant=other', '?tenant=node', '?tenant=acme']) {
      expect(await ok(call(node, 'GET', `/kms/keys${tenant}`, { token }))).toMatchObject({ keys: [] });
    }
    const { subjects } = await ok<{ subjects: { tenant: string }[] }>(
      call(node, 'GET', '/passport/subjects', { token }),
    );
    expect(new Set(subjects.map(({ tenant }) => tenant))).toEqual(new Set(['acme']));
  });

  it('those whom it makes: they are of its tenant too', async () => {
    expect(await issue(node, { subject: 'clerk' }, token)).toMatchObject({ tenant: 'acme' });
  });
});
