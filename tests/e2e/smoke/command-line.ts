import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunOptions, run } from '../../support/child-process.ts';
import { withoutNodeSettings } from '../../support/node-process.ts';
import { treeRoot } from '../../support/tree-root.ts';
import { assertSameBytes, type Checks } from './checks.ts';
import { addressOf, plain, type Target } from './target.ts';

const ron = join(treeRoot, 'apps/ron/bin/ron.js');

/** The command line as the README shows it. */
export async function checkCommandLine(checks: Checks, target: Target): Promise<void> {
  const readme = readFileSync(join(treeRoot, 'README.md'));
  const call = (args: readonly string[], options: RunOptions & { capability?: string } = {}) => {
    const { capability = target.node.capability, ...rest } = options;
    const env = { ...withoutNodeSettings(process.env), RON_NODE_URL: target.node.url, RON_CAP: capability };
    return run(process.execPath, [ron, ...args], { cwd: treeRoot, ...rest, env });
  };
  const ok = async (args: readonly string[], options: RunOptions = {}) => {
    const result = await call(args, options);
    assert.equal(result.code, 0, `ron ${args.join(' ')}: ${result.code}\n${result.stderr}`);
    return result;
  };
  await checks.check('ron put --name, get by name and by address, put again', async () => {
    const put = await ok(['put', 'README.md', '--name', 'docs/readme']);
    assert.match(String(put.stdout), new RegExp(`^${addressOf(readme)}`));
    assertSameBytes((await ok(['get', 'docs/readme'])).stdout, readme);
    assertSameBytes((await ok(['get', addressOf(readme)])).stdout, readme);
    const again = await ok(['put', 'README.md']);
    assert.match(String(again.stdout) + again.stderr, /already stored/);
  });
  await checks.check('ron put from standard input', async () => {
    const put = await ok(['put', '-'], { input: 'from a pipe' });
    assert.match(String(put.stdout), new RegExp(`^${addressOf(Buffer.from('from a pipe'))}`));
  });
  await checks.check('ron put -r, browsed with the right type', async () => {
    await ok(['put', '-r', 'docs', '--name', 'handbook']);
    const response = await plain(target, '/n/handbook/specs/OAP-1.md');
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/markdown; charset=utf-8');
    assertSameBytes(new Uint8Array(await response.arrayBuffer()), readFileSync(join(treeRoot, 'docs/specs/OAP-1.md')));
  });
  await checks.check('ron cap attenuate: the weaker one reads, and cannot write: exit 4, three lines', async () => {
    const weaker = String((await ok(['cap', 'attenuate', '--read', 'docs/', '--expires', '1h'])).stdout);
    const capability = /ron1_[A-Za-z0-9_-]+/.exec(weaker)?.[0];
    assert.ok(capability !== undefined, `no capability in ${weaker}`);
    assertSameBytes((await call(['get', 'docs/readme'], { capability })).stdout, readme);
    const refused = await call(['put', 'package.json'], { capability });
    assert.equal(refused.code, 4, refused.stderr);
    assert.equal(refused.stderr.trimEnd().split('\n').length, 3, refused.stderr);
  });
  await checks.check('ron exit codes: usage 2, not found 3, unavailable 6', async () => {
    assert.equal((await call(['put', '--no-such-flag'])).code, 2);
    assert.equal((await call(['get', 'no/such/name'])).code, 3);
    assert.equal((await call(['status', '--url', 'http://127.0.0.1:9'])).code, 6);
  });
  await checks.check('ron doctor and ron tour', async () => {
    await ok(['doctor']);
    await ok(['tour'], { input: '' });
  });
}
