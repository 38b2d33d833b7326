import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type NodeRequest, startHttpNode } from './testing/http-node.ts';
import { runHere } from './testing/run-ron.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';

const secrets = /ron1_|ronr_|ronboot/;

/** A node that hands out passports: each token works once, the capability of the newest is the only good one. */
async function setUp() {
  let serial = 0;
  const used: unknown[] = [];
  const passport = () => {
    serial += 1;
    const minted = Date.now();
    const time = minted.toString(16).padStart(12, '0');
    return {
      capability: `ron1_cap${serial}`,
      capability_id: `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-00000000000${serial}`,
      refresh_token: `ronr_token${serial}`,
      subject: 'alice',
      tenant: '',
      family: 'f'.repeat(32),
      expires_at: minted + 900_000,
      refresh_expires_at: minted + 86_400_000,
    };
  };
  const node = await startHttpNode(onTestFinished, ({ target, headers, body }: NodeRequest) => {
    if (target === '/passport/issue') return passport();
    if (target === '/passport/bootstrap') return body['secret'] === 'ronboot_s' ? passport() : undefined;
    if (target === '/passport/revoke') return { seq: 3, entries: 1, families: 1 };
    if (target === '/passport/refresh') {
      if (body['refresh_token'] !== `ronr_token${serial}`) return undefined;
      used.push(body['refresh_token']);
      return passport();
    }
    if (headers.authorization !== `Bearer ron1_cap${serial}`) return undefined;
    return { subject: 'alice', tenant: '', kind: 'user', keys: [], created_at: 1 };
  });
  const folder = temporaryFolder(onTestFinished);
  const at = (name: string) => join(folder, name);
  const run = (line: readonly string[], options: { env?: Record<string, string>; input?: string } = {}) =>
    runHere(line, { ...options, env: { RON_NODE_URL: node.url, ...options.env } });
  return { node, at, run, used };
}

it('issues what was asked for', async () => {
  const { node, run } = await setUp();
  const line = ['passport', 'issue', 'alice', '--right', 'read,write:n/docs/', '--right', 'list:docs/', '--ttl', '15m'];
  const { code, stdout, stderr } = await run(line);
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'ron1_cap1\n' });
  expect(stderr).not.toMatch(secrets);
  expect(node.requests[0]!.body).toEqual({
    subject: 'alice',
    rights: [
      { methods: ['read', 'write'], prefix: 'n/docs/' },
      { methods: ['list'], prefix: 'n/docs/' },
    ],
    ttl_s: 900,
  });
});

it('keeps both secrets in a file of mode 0600 and prints neither', async () => {
  const { at, run } = await setUp();
  for (const [file, ...json] of [['alice'], ['again', '--json']] as const) {
    const line = [...json, 'passport', 'issue', 'alice', '--right', 'read:n/docs/', '--save', at(file)];
    const { code, stdout, stderr } = await run(line);
    expect(code).toBe(0);
    expect(stdout + stderr).not.toMatch(secrets);
    expect(statSync(at(file)).mode & 0o777).toBe(0o600);
  }
  expect(JSON.parse(readFileSync(at('again'), 'utf8'))).toMatchObject({ refresh_token: 'ronr_token2' });
});

it('does not put a passport in the place of another, and asks for none before it has looked', async () => {
  const { at, run, node } = await setUp();
  writeFileSync(at('admin'), 'the only one');
  for (const line of [
    ['passport', 'issue', 'alice', '--right', 'read:n/docs/', '--save', at('admin')],
    ['passport', 'bootstrap', 'root', '--secret', '-', '--save', at('admin')],
    ['passport', 'refresh', '--refresh-token', '-', '--save', at('admin')],
  ]) {
    const { code, stderr } = await run(line, { input: 'ronr_token1\n' });
    expect(code).toBe(9);
    expect(stderr).toContain('is there already');
  }
  expect(readFileSync(at('admin'), 'utf8')).toBe('the only one');
  expect(node.requests).toEqual([]);
});

it.each([
  ['a file', (path: string) => ({ line: ['--secret', path] })],
  ['stdin', () => ({ line: ['--secret', '-'], input: 'ronboot_s\n' })],
  ['the environment', () => ({ line: [], env: { RON_BOOTSTRAP_SECRET: 'ronboot_s' } })],
])('takes the bootstrap secret from %s', async (_where, from) => {
  const { at, run, node } = await setUp();
  writeFileSync(at('secret'), 'ronboot_s\n', { mode: 0o600 });
  const { line, ...options } = { input: '', env: {}, ...from(at('secret')) };
  const { code, stderr } = await run(['passport', 'bootstrap', 'root', ...line, '--save', at('root')], options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(node.requests[0]!.headers.authorization).toBeUndefined();
});

it.each([
  [['passport', 'bootstrap', 'root', '--secret', 'ronboot_s']],
  [['passport', 'refresh', '--refresh-token', 'ronr_token1']],
])('a secret on the command line is refused and sent nowhere: %j', async (line) => {
  const { run, node } = await setUp();
  const { code, stderr } = await run(line);
  expect(code).toBe(2);
  expect(stderr).not.toContain(line.at(-1));
  expect(node.requests).toEqual([]);
});

it.each([
  ['passport', 'refresh', '--refresh-token'],
  ['passport', 'bootstrap', 'root', '--secret'],
  ['passport', 'show', '--passport'],
])('a file of secrets that others may read is refused: %s %s', async (...line) => {
  const { at, run, node } = await setUp();
  writeFileSync(at('token'), 'ronr_token1');
  chmodSync(at('token'), 0o644);
  const { code, stderr } = await run([...line, at('token')]);
  expect(code).toBe(9);
  expect(stderr).toContain(`try: chmod 600 ${at('token')}`);
  expect(node.requests).toEqual([]);
});

it('a pipe or a folder is no file of secrets, and is not waited for', async () => {
  const { at, run } = await setUp();
  execFileSync('mkfifo', ['-m', '600', at('pipe')]);
  for (const path of [at('pipe'), at('.')]) {
    const { code, stderr } = await run(['passport', 'refresh', '--refresh-token', path]);
    expect(code).toBe(9);
    expect(stderr).toMatch(/is no file/);
  }
});

it('a missing secret is three lines', async () => {
  const { run } = await setUp();
  const { code, stderr } = await run(['passport', 'refresh']);
  expect(code).toBe(2);
  expect(stderr.trimEnd().split('\n')).toEqual([
    'ron: the refresh token is missing',
    '  why: usage: neither --refresh-token nor RON_REFRESH_TOKEN is given',
    '  try: ron passport refresh --refresh-token FILE   (- is stdin)',
  ]);
});

it('a refreshed passport takes the place of the one in its file', async () => {
  const { at, run, used } = await setUp();
  await run(['passport', 'issue', 'alice', '--right', 'read:n/docs/', '--save', at('alice')]);
  const { code, stdout, stderr } = await run(['passport', 'refresh', '--refresh-token', at('alice')]);
  expect(code).toBe(0);
  expect(stdout + stderr).not.toMatch(secrets);
  expect(used).toEqual(['ronr_token1']);
  expect(JSON.parse(readFileSync(at('alice'), 'utf8'))).toMatchObject({
    capability: 'ron1_cap2',
    refresh_token: 'ronr_token2',
  });
});

it('a passport renews itself when its capability is refused, and the file keeps up', async () => {
  const { at, run, used } = await setUp();
  await run(['passport', 'issue', 'alice', '--right', 'read:n/docs/', '--save', at('alice')]);
  const env = { RON_PASSPORT: at('alice') };
  expect((await run(['passport', 'show'], { env })).code).toBe(0);
  expect(used).toEqual([]);
  const old = JSON.parse(readFileSync(at('alice'), 'utf8'));
  writeFileSync(at('alice'), JSON.stringify({ ...old, capability: 'ron1_stale' }));
  expect((await run(['passport', 'show'], { env })).code).toBe(0);
  expect((await run(['passport', 'show'], { env })).code).toBe(0);
  expect(used).toEqual(['ronr_token1']);
  expect(JSON.parse(readFileSync(at('alice'), 'utf8'))).toMatchObject({ capability: 'ron1_cap2' });
  expect(statSync(at('alice')).mode & 0o777).toBe(0o600);
});

it('--cap goes over RON_PASSPORT, and excludes --passport', async () => {
  const { at, run, node } = await setUp();
  await run(['passport', 'issue', 'alice', '--right', 'read:n/docs/', '--save', at('alice')]);
  const env = { RON_PASSPORT: at('alice') };
  await run(['--cap', 'ron1_mine', 'passport', 'show'], { env });
  expect(node.requests.at(-1)!.headers.authorization).toBe('Bearer ron1_mine');
  const both = await run(['--cap', 'ron1_mine', '--passport', at('alice'), 'passport', 'show']);
  expect(both).toMatchObject({ code: 9, stderr: expect.stringMatching(/exclude each other/) });
});

it('revokes one kind of thing at a time', async () => {
  const { run, node } = await setUp();
  expect((await run(['passport', 'revoke'])).code).toBe(2);
  expect((await run(['passport', 'revoke', '--subject', 'a', '--family', 'f'])).code).toBe(2);
  expect((await run(['passport', 'revoke', '--kid', 'k', '--tenant', 't'])).code).toBe(2);
  const { code, stdout } = await run(['passport', 'revoke', '--subject', 'alice', '--tenant', 't']);
  expect({ code, body: node.requests[0]!.body }).toEqual({ code: 0, body: { subject: 'alice', tenant: 't' } });
  expect(stdout).toMatch(/^revoked: 1 entry of the feed, up to 3; 1 passport can/);
});

it('a key is not destroyed without being told twice', async () => {
  const { run, node } = await setUp();
  const { code, stderr } = await run(['kms', 'destroy', 'node/x/hmac/u#1']);
  expect({ code, requests: node.requests }).toEqual({ code: 2, requests: [] });
  expect(stderr).toMatch(/lost for good: say --yes/);
});

it('a request with a key carries its proof', async () => {
  const { at, run, node } = await setUp();
  await run(['policy', 'keygen', '--out', at('key'), '--name', 'alice']);
  await run(['--cap', 'ron1_AgAA', '--proof-key', at('key'), 'passport', 'show']);
  expect(node.requests[0]!.headers['ron-proof']).toMatch(/^v1\.\d+\.[\w-]{22}\.[\w-]{86}$/);
});
