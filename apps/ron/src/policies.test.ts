import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runHere } from './testing/run-ron.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';

/** A URL where nothing answers: whatever asks a node fails. */
const env = { RON_NODE_URL: 'http://127.0.0.1:1' };

async function run(...line: string[]) {
  return runHere(line, { env });
}

/** Two key files and a policy of both. */
async function setUp(fields = '') {
  const folder = temporaryFolder(onTestFinished);
  const at = (name: string) => join(folder, name);
  const alice = await run('policy', 'keygen', '--out', at('alice'), '--name', 'alice', '--hybrid');
  const bob = await run('policy', 'keygen', '--out', at('bob'), '--name', 'bob');
  const toml = (version: number, extra = fields) =>
    ['type = "ron-policy"', `version = ${version}`, 'expires_at = 2100-01-01T00:00:00Z', 'threshold = 2', extra]
      .concat(alice.stdout, bob.stdout)
      .join('\n');
  writeFileSync(at('policy.toml'), toml(1));
  return { at, toml, alice };
}

it('makes keys of mode 0600, prints their public halves only, and never overwrites one', async () => {
  const { at, alice } = await setUp();
  expect(alice.stdout).toMatch(
    /^# .*root_signers = \["alice:[\w-]{43}:[\w-]{2603}"\]\n\[\[signers\]\]\nname = "alice"\ned25519 = "[\w-]{43}"\nml_dsa_65 = "[\w-]{2603}"\n$/,
  );
  expect(statSync(at('alice')).mode & 0o777).toBe(0o600);
  const before = readFileSync(at('alice'), 'utf8');
  const { ed25519 } = JSON.parse(before);
  expect(alice.stdout + alice.stderr).not.toContain(ed25519);
  const again = await run('policy', 'keygen', '--out', at('alice'), '--name', 'alice');
  expect(again.code).toBe(8);
  expect(readFileSync(at('alice'), 'utf8')).toBe(before);
});

it('checks, signs by two, and knows who signed', async () => {
  const { at } = await setUp();
  expect((await run('policy', 'check', at('policy.toml'))).stdout).toMatch(/signed by +\(nobody yet\)/);
  const first = await run('policy', 'sign', at('policy.toml'), '--key', at('alice'), '--out', at('signed.json'));
  expect(first).toMatchObject({ code: 0, stderr: expect.stringMatching(/of its own signers: alice\n/) });
  const second = await run('policy', 'sign', at('signed.json'), '--key', at('bob'));
  expect(second.stderr).toMatch(/of its own signers: alice, bob\n/);
  const { signatures } = JSON.parse(second.stdout);
  expect(signatures.map(({ signer, alg }: Record<string, string>) => `${signer} ${alg}`)).toEqual([
    'alice ed25519',
    'alice ml-dsa-65',
    'bob ed25519',
  ]);
});

it('a signature under a name whose key it is not counts for nothing', async () => {
  const { at } = await setUp();
  const { stderr } = await run('policy', 'sign', at('policy.toml'), '--key', at('bob'), '--name', 'alice');
  expect(stderr).toMatch(/is signed by alice; of its own signers: nobody/);
});

it.each([0o644, 0o640, 0o604, 0o622])('refuses a key of mode %o, which others may read or change', async (mode) => {
  const { at } = await setUp();
  chmodSync(at('bob'), mode);
  const { code, stdout, stderr } = await run('policy', 'sign', at('policy.toml'), '--key', at('bob'));
  expect({ code, stdout }).toEqual({ code: 9, stdout: '' });
  expect(stderr.split('\n')[2]).toBe(`  try: chmod 600 ${at('bob')}`);
});

it.each([
  ['{"type":"ron-signing-key/1","name":"x","ed25519":"c2VjcmV0"}'],
  ['{"type":"ron-signing-key/1","name":"x"}'],
  ['secret that is no JSON'],
  ['null'],
])('a file that is no key is refused without a word of it: %j', async (text) => {
  const { at } = await setUp();
  writeFileSync(at('odd'), text, { mode: 0o600 });
  const { code, stderr } = await run('policy', 'sign', at('policy.toml'), '--key', at('odd'));
  expect(code).toBe(9);
  expect(stderr).toMatch(/is no signing key/);
  expect(stderr).not.toMatch(/c2VjcmV0|secret that/);
});

it('names every field that is wrong', async () => {
  const { at } = await setUp();
  writeFileSync(at('bad.toml'), 'version = 0');
  const { code, stderr } = await run('policy', 'check', at('bad.toml'));
  expect(code).toBe(9);
  expect(stderr).toMatch(/type: .*expires_at: .*signers: .*threshold: /);
});

it('shows which decisions change, and ends with 8 when the new policy widens and does not say so', async () => {
  const { at, toml } = await setUp();
  const forbid = `rules = 'forbid (principal, action, resource in Resource::"n/secret");'`;
  writeFileSync(at('tighter.toml'), toml(2, forbid));
  const tighter = await run('policy', 'diff', at('policy.toml'), at('tighter.toml'));
  expect(tighter.code).toBe(0);
  expect(tighter.stdout).toMatch(/allow → deny: read n\/secret by/);
  const wider = await run('--json', 'policy', 'diff', at('tighter.toml'), at('policy.toml'));
  expect(wider.code).toBe(8);
  expect(JSON.parse(wider.stdout)).toMatchObject({ widens: true });
  writeFileSync(at('told.toml'), toml(3, 'break_change = true\nreason = "the secret is out"'));
  expect((await run('policy', 'diff', at('tighter.toml'), at('told.toml'))).code).toBe(0);
});

it('refuses to send what nobody signed, before it asks a node', async () => {
  const { at } = await setUp();
  const { code, stderr } = await run('policy', 'activate', at('policy.toml'));
  expect(code).toBe(2);
  expect(stderr).toMatch(/is not signed/);
});
