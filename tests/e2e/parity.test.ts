import { expect, test } from 'vitest';
import { startMacronode } from '../support/macronode-process.ts';
import { startNodeProcess } from '../support/node-process.ts';
import { sampleBytes } from '../support/sample-bytes.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type Seen, type Step, transcriptOf } from '../support/transcript.ts';

const bytes = sampleBytes(200_000, 42);
const nothing = `b3:${'0'.repeat(64)}`;
const addressOf = ({ put }: Seen) => String(put?.['address']);
const leaseOf = ({ recv }: Seen) => (recv?.['messages'] as { lease: string }[] | undefined)?.[0]?.lease ?? 'none';
const post = (name: string, path: string, json: Step['json']): Step => ({
  name,
  path,
  method: 'POST',
  ...(json && { json }),
});
const annToken = ({ issue }: Seen) => String(issue?.['capability']);

/** One client's day: objects, names, a site, messages, passports, the trust plane, and what is refused. */
const steps: readonly Step[] = [
  { name: 'put', path: '/put', method: 'PUT', body: bytes },
  { name: 'put again', path: '/put', method: 'PUT', body: bytes },
  { name: 'get', path: (seen) => `/o/${addressOf(seen)}` },
  { name: 'head', path: (seen) => `/o/${addressOf(seen)}`, method: 'HEAD' },
  { name: 'range', path: (seen) => `/o/${addressOf(seen)}`, headers: { range: 'bytes=65530-65540' } },
  { name: 'range outside', path: (seen) => `/o/${addressOf(seen)}`, headers: { range: 'bytes=900000-' } },
  { name: 'outboard', path: (seen) => `/o/${addressOf(seen)}.outboard` },
  { name: 'wrong digest', path: `/o/${nothing}`, method: 'PUT', body: 'other bytes' },
  { name: 'not there', path: `/o/${nothing}` },
  { name: 'no address', path: '/o/b3:123' },
  post('has', '/o/has', (seen) => ({ addresses: [addressOf(seen), nothing] })),
  {
    name: 'set',
    path: '/name/docs/a',
    method: 'PUT',
    headers: { 'if-none-match': '*' },
    json: (seen) => ({ address: addressOf(seen) }),
  },
  {
    name: 'set again',
    path: '/name/docs/a',
    method: 'PUT',
    headers: { 'if-none-match': '*' },
    json: (seen) => ({ address: addressOf(seen) }),
  },
  {
    name: 'set next',
    path: '/name/docs/a',
    method: 'PUT',
    headers: { 'if-match': '"1"' },
    json: (seen) => ({ address: addressOf(seen) }),
  },
  { name: 'set to nothing', path: '/name/docs/b', method: 'PUT', json: { address: nothing } },
  { name: 'bad name', path: '/name/Docs/..', method: 'PUT', json: { address: nothing } },
  { name: 'resolve', path: '/name/resolve/docs/a' },
  { name: 'history', path: '/name/docs/a/history' },
  { name: 'names', path: '/names?prefix=docs/' },
  { name: 'content of the name', path: '/n/docs/a', headers: { range: 'bytes=0-15' } },
  { name: 'no such name', path: '/n/docs/none' },
  post('view', '/v1/view', { names: ['docs/a', 'docs/none'] }),
  { name: 'remove', path: '/name/docs/a', method: 'DELETE' },
  { name: 'resolve removed', path: '/name/resolve/docs/a' },
  post('send', '/mailbox/in/send', { body: 'hi', idempotency_key: 'k1' }),
  post('send again', '/mailbox/in/send', { body: 'hi', idempotency_key: 'k1' }),
  post('send another', '/mailbox/in/send', { body: 'ho', idempotency_key: 'k1' }),
  post('recv', '/mailbox/in/recv', { max: 10, visibility_ms: 60_000, wait_ms: 0 }),
  post('ack', '/mailbox/in/ack', (seen) => ({ leases: [leaseOf(seen)] })),
  post('ack again', '/mailbox/in/ack', (seen) => ({ leases: [leaseOf(seen)] })),
  { name: 'stats', path: '/mailbox/in/stats' },
  { name: 'dead letters', path: '/mailbox/in/dlq' },
  post('issue', '/passport/issue', {
    subject: 'ann',
    tenant: 'acme & söhne',
    rights: [
      { methods: ['read', 'write'], prefix: 'o/' },
      { methods: ['read', 'write'], prefix: 'box/' },
    ],
  }),
  { name: 'profile', path: '/passport/profile', capability: annToken },
  { name: 'ann reads', path: (seen) => `/o/${addressOf(seen)}`, method: 'HEAD', capability: annToken },
  {
    name: 'ann names',
    path: '/name/docs/ann',
    method: 'PUT',
    json: (seen) => ({ address: addressOf(seen) }),
    capability: annToken,
  },
  { name: 'ann administers', path: '/registry/head', capability: annToken },
  { ...post('ann sends', '/mailbox/hers/send', { body: 'mine' }), capability: annToken },
  { ...post('ann receives', '/mailbox/hers/recv', { max: 1, wait_ms: 0 }), capability: annToken },
  post('owner receives nothing of hers', '/mailbox/hers/recv', { max: 1, wait_ms: 0 }),
  post('refresh', '/passport/refresh', ({ issue }) => ({ refresh_token: issue?.['refresh_token'] })),
  post('refresh twice', '/passport/refresh', ({ issue }) => ({ refresh_token: issue?.['refresh_token'] })),
  post('too long', '/passport/issue', { subject: 'bob', ttl_s: 4_000, rights: [{ methods: ['read'], prefix: '' }] }),
  { name: 'policy', path: '/policy/hash' },
  { name: 'no policy', path: '/policy/current' },
  post('key', '/kms/keys', { tenant: 'node', purpose: 'tests', alg: 'ed25519' }),
  { name: 'edge', path: '/admin/edge/usage', capability: annToken },
  { name: 'nobody', path: '/name/resolve/docs/a', capability: () => '' },
  { name: 'forged', path: '/whoami', capability: () => 'ron1_AAAA' },
  { name: 'unknown route', path: '/nowhere' },
  { name: 'wrong method', path: '/policy/hash', method: 'DELETE' },
  post('unknown field', '/mailbox/in/send', { body: 'hi', surprise: true }),
  {
    name: 'no JSON',
    path: '/mailbox/in/send',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{',
  },
];

test('one client gets the same answers from one process and from many', async () => {
  using folder = tempFolder();
  await using micro = await startNodeProcess({ persist: folder.join('micro') });
  const fromOne = await transcriptOf(micro.url, micro.capability, steps);
  await micro.stop();
  await using macro = await startMacronode(folder.join('macro'));
  const fromMany = await transcriptOf(macro.node.url, macro.node.capability, steps);
  expect(fromMany).toEqual(fromOne);
  // The day was one: most of it went well, and some of it had to be refused.
  const statuses = fromOne.map((line) => Number(/: (\d{3})\n/.exec(line)?.[1]));
  expect(statuses.filter((status) => status < 300).length).toBeGreaterThan(25);
  expect(statuses.filter((status) => status >= 400 && status < 500).length).toBeGreaterThan(12);
  expect(statuses.filter((status) => status >= 500)).toEqual([]);
});
