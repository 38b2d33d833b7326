import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startMicronode } from './testing/micronode.ts';
import { runHere, timeForProcesses } from './testing/run-ron.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';

vi.setConfig(timeForProcesses);

it('from the first administrator to a log that proves every step, with the node switched off', async () => {
  const folder = temporaryFolder(onTestFinished);
  const at = (name: string) => join(folder, name);
  const node = await startMicronode(['--persist', at('data')]);
  await using running = new AsyncDisposableStack();
  running.use(node);
  const { RON_NODE_URL } = node.env as { RON_NODE_URL: string };
  const ron = async (as: string | undefined, line: readonly string[], env: Record<string, string> = {}) => {
    const passport = as === undefined ? {} : { RON_PASSPORT: at(as) };
    const ran = await runHere(['--json', ...line], { env: { RON_NODE_URL, ...passport, ...env } });
    const rows = ran.stdout.split('\n').filter((row) => row !== '');
    return { ...ran, rows: rows.map((row) => JSON.parse(row)) };
  };

  const secret = { RON_BOOTSTRAP_SECRET: node.bootstrapSecret! };
  const first = await ron(undefined, ['passport', 'bootstrap', 'admin', '--save', at('admin')], secret);
  expect(first).toMatchObject({ code: 0, rows: [{ subject: 'admin' }] });
  expect((await ron(undefined, ['passport', 'bootstrap', 'other'], secret)).code).toBe(4);

  const rights = ['--right', 'read,write:n/docs/', '--right', 'read,write:o/'];
  const issue = ['passport', 'issue', 'alice', ...rights, '--save', at('alice')];
  expect((await ron('admin', issue)).code).toBe(0);
  expect((await ron('admin', ['passport', 'issue', 'x', '--right', 'read:n/', '--ttl', '61m'])).code).toBe(2);
  writeFileSync(at('note'), 'hello');
  expect((await ron('alice', ['put', at('note'), '--name', 'docs/note'])).code).toBe(0);
  expect((await ron('alice', ['put', at('note'), '--name', 'elsewhere/note'])).code).toBe(4);
  expect((await ron('alice', ['kms', 'list'])).code).toBe(4);
  expect((await ron('alice', ['passport', 'refresh', '--refresh-token', at('alice')])).code).toBe(0);
  expect((await ron('alice', ['name', 'resolve', 'docs/note'])).code).toBe(0);

  const { rows: named } = await ron('alice', ['name', 'resolve', 'docs/note']);
  const again = ['name', 'set', 'docs/again', named[0].address, '--receipt', at('receipt')];
  expect((await ron('alice', again)).rows[0]).toMatchObject({ receipt: { entry: { op: 'gateway.set_name' } } });

  // A capability that is worth something only with its key.
  expect((await ron(undefined, ['policy', 'keygen', '--out', at('key'), '--name', 'carol'])).code).toBe(0);
  const { rows: made } = await ron(undefined, ['policy', 'keygen', '--out', at('own'), '--name', 'carol']);
  const bound = ['passport', 'issue', 'carol', '--right', 'read:n/docs/', '--key', made[0].signer.ed25519];
  expect((await ron('admin', [...bound, '--save', at('carol')])).code).toBe(0);
  const read = ['name', 'resolve', 'docs/note'];
  expect((await ron('carol', ['--proof-key', at('own'), ...read])).code).toBe(0);
  expect((await ron('carol', ['--proof-key', at('key'), ...read])).code).toBe(4);
  expect((await ron('carol', read)).code).toBe(4);

  const tenant = ['--tenant', '01ARZ3NDEKTSV4RRFFQ69G5FAV'];
  const { rows: keys } = await ron('admin', ['kms', 'create', 'demo', ...tenant]);
  expect((await ron('admin', ['kms', 'rotate', keys[0].kid])).rows[0]).toMatchObject({ version: 2, state: 'active' });
  expect((await ron('admin', ['kms', 'destroy', keys[0].kid, '--yes'])).rows[0]).toMatchObject({ kid: keys[0].kid });

  writeFileSync(at('descriptor'), '{"id":"node/a","kind":"micronode"}');
  const { rows: proposed } = await ron('admin', ['registry', 'propose', '--set', at('descriptor')]);
  const { proposal } = proposed[0];
  expect((await ron('admin', ['registry', 'commit', proposal])).code).toBe(4);
  expect((await ron('admin', ['registry', 'approve', proposal, '--as-node'])).rows[0]).toMatchObject({ ready: true });
  expect((await ron('admin', ['registry', 'commit', proposal])).rows[0]).toMatchObject({ version: 2, id: proposal });
  const watch = ['registry', 'watch', '--count', '1', '--state', at('state')];
  expect((await ron('admin', watch)).rows[0]).toMatchObject({ version: 2, descriptors: 1 });
  expect((await ron('admin', watch)).stderr).toBe('');

  expect((await ron('admin', ['passport', 'revoke', '--subject', 'alice'])).rows[0]).toMatchObject({ families: 1 });
  expect((await ron('alice', read)).code).toBe(4);

  const { rows: shown } = await ron('admin', ['audit', 'key']);
  const key = shown[0].keys[0];
  expect((await ron('admin', ['audit', 'export', '-o', at('log.ndjson')])).code).toBe(0);
  writeFileSync(at('checkpoint'), (await ron('admin', ['audit', 'checkpoint'])).rows[0].text);
  expect((await ron('admin', ['audit', 'verify', at('data/audit'), '--key', key])).code).toBe(8);
  await running.disposeAsync();

  for (const path of ['log.ndjson', 'data/audit']) {
    const verified = await ron(undefined, [
      'audit',
      'verify',
      at(path),
      '--key',
      key,
      '--checkpoint',
      at('checkpoint'),
    ]);
    expect(verified).toMatchObject({ code: 0, rows: [{ ok: true, findings: 0 }] });
  }
  const receipt = await ron(undefined, ['audit', 'verify', at('receipt'), '--receipt', '--key', key]);
  expect(receipt).toMatchObject({ code: 0, rows: [{ entry: { subject: 'alice', resources: ['n/docs/again'] } }] });
  // One character changed: not a misuse of the command, but what the command is for.
  const changed = readFileSync(at('receipt'), 'utf8');
  writeFileSync(at('changed'), changed.slice(0, 40) + (changed[40] === 'A' ? 'B' : 'A') + changed.slice(41));
  expect((await ron(undefined, ['audit', 'verify', at('changed'), '--receipt', '--key', key])).code).toBe(7);
  const log = readFileSync(at('log.ndjson'), 'utf8');
  for (const op of ['bootstrap', 'issue', 'refresh', 'revoke']) expect(log).toMatch(`"op":"passport.${op}"`);
  expect(log).toMatch(/"op":"gateway.set_name"/);
  for (const secretText of [/ron1_/, /ronr_/, /ronb_/]) expect(log).not.toMatch(secretText);
}, 60_000);

it('a policy comes into force with enough signatures of those whom the node trusts, and only forwards', async () => {
  const folder = temporaryFolder(onTestFinished);
  const at = (name: string) => join(folder, name);
  const keygen = async (name: string) => {
    const { stdout } = await runHere(['--json', 'policy', 'keygen', '--out', at(name), '--name', name]);
    return JSON.parse(stdout) as { readonly root_signer: string; readonly signer: { readonly ed25519: string } };
  };
  const signers = { alice: await keygen('alice'), bob: await keygen('bob') };
  const roots = Object.values(signers).map(({ root_signer }) => `"${root_signer}"`);
  writeFileSync(at('config.toml'), `[policy]\nroot_signers = [${roots.join(', ')}]\nroot_threshold = 2\n`);
  await using node = await startMicronode(['--config', at('config.toml')]);
  const ron = async (...line: string[]) => runHere(['--json', ...line], { env: node.env });

  const tables = Object.entries(signers).map(
    ([name, { signer }]) => `[[signers]]\nname = "${name}"\ned25519 = "${signer.ed25519}"`,
  );
  const forbid = `rules = '@id("no-secrets") forbid (principal, action, resource in Resource::"n/secret");'`;
  const head = ['type = "ron-policy"', 'version = 1', 'threshold = 2', 'expires_at = 2100-01-01T00:00:00Z', forbid];
  writeFileSync(at('policy.toml'), [...head, ...tables].join('\n'));
  expect((await ron('policy', 'diff', at('policy.toml'))).code).toBe(0);
  await ron('policy', 'sign', at('policy.toml'), '--key', at('alice'), '--out', at('signed.json'));
  expect(await ron('policy', 'activate', at('signed.json'))).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/1 of 2 signatures/),
  });
  expect((await ron('policy', 'activate', at('signed.json'), '--propose')).stdout).toMatch(/"signers":\["alice"\]/);
  await ron('policy', 'sign', at('policy.toml'), '--key', at('bob'), '--out', at('other.json'));
  const second = await ron('policy', 'activate', at('other.json'), '--propose');
  expect(JSON.parse(second.stdout)).toMatchObject({ activated: { version: 1, signers: ['alice', 'bob'] } });

  writeFileSync(at('note'), 'hello');
  expect((await ron('put', at('note'), '--name', 'open/note')).code).toBe(0);
  expect((await ron('put', at('note'), '--name', 'secret/note')).code).toBe(4);
  const explained = JSON.parse((await ron('policy', 'explain', 'alice', 'write', 'n/secret/note')).stdout);
  expect(explained).toMatchObject({ decision: 'deny', rules: [{ rule: 'no-secrets', effect: 'forbid' }] });
  await ron('policy', 'sign', at('signed.json'), '--key', at('bob'), '--out', at('both.json'));
  expect((await ron('policy', 'activate', at('both.json'))).code).toBe(8);
  const { signed } = JSON.parse((await ron('policy', 'show')).stdout);
  expect(signed.document).toMatchObject({ version: 1 });
  expect((await ron('policy', 'history')).stdout.trimEnd().split('\n')).toHaveLength(1);
}, 60_000);
