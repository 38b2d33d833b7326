import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { partPath } from './files/part-file.ts';
import { startMicronode, type TestNode } from './testing/micronode.ts';
import { type Ran, type RunOptions, runHere, runRon, startRon, timeForProcesses } from './testing/run-ron.ts';

vi.setConfig(timeForProcesses);

let node: TestNode;
let folder: string;

beforeAll(async () => {
  node = await startMicronode();
});
afterAll(() => node[Symbol.asyncDispose]());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ron-e2e-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

/** Runs a line in this process, which saves a start each time; `./` is the test's own folder. */
function ron(line: string[], options: RunOptions = {}): Promise<Ran> {
  const words = line.map((word) => (word.startsWith('./') ? join(folder, word) : word));
  return runHere(words, { ...options, env: { ...node.env, ...options.env } });
}

/** The output of a command that must succeed. */
async function output(line: string[], options: RunOptions = {}): Promise<string> {
  const ran = await ron(line, options);
  expect(ran).toMatchObject({ code: 0 });
  return ran.stdout.trimEnd();
}

function content(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index * 7 + (index >> 9)) % 253);
}

describe('against a real node', () => {
  it('stores a file once, names it, and reads it back by name, address and range', async () => {
    const bytes = content(200_000);
    await writeFile(join(folder, 'photo'), bytes);
    const first = await ron(['put', './photo', '--name', 'e2e/photo']);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^b3:[0-9a-f]{64}\n$/) });
    const again = await ron(['put', './photo']);
    expect(again).toMatchObject({ code: 0, stdout: first.stdout, stderr: 'already stored, 0 bytes sent\n' });
    const address = first.stdout.trim();
    expect(await output(['name', 'resolve', 'e2e/photo'])).toBe(address);
    await output(['get', 'e2e/photo', '-o', './by-name']);
    expect(Buffer.compare(await readFile(join(folder, 'by-name')), bytes)).toBe(0);
    const range = JSON.parse(await output(['get', address, '--range', '99990-100009', '-o', './part', '--json']));
    expect(range).toMatchObject({ bytes: 20, size: 200_000 });
    expect(await readFile(join(folder, 'part'))).toEqual(Buffer.from(bytes.subarray(99_990, 100_010)));
    expect(JSON.parse(await output(['stat', 'e2e/photo', '--json']))).toMatchObject({
      address,
      size: 200_000,
      version: 1,
    });
  });

  it('takes stdin and gives stdout', async () => {
    const address = await output(['put', '-'], { input: 'from a pipe\n' });
    expect((await ron(['get', address])).stdout).toBe('from a pipe\n');
    const missing = `b3:${'0'.repeat(64)}`;
    const has = await ron(['has', '-', '--json'], { input: `${address}\n${missing}\n` });
    expect(has).toMatchObject({ code: 3 });
    expect(
      has.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).present),
    ).toEqual([true, false]);
    expect(await ron(['get', missing])).toMatchObject({ code: 3, stdout: '' });
  });

  it('stores a folder as a bundle and reads it back; links are left out aloud', async () => {
    await mkdir(join(folder, 'site', 'css'), { recursive: true });
    await writeFile(join(folder, 'site', 'index.html'), '<p>hi');
    await writeFile(join(folder, 'site', 'css', 'a.css'), 'p{}');
    await writeFile(join(folder, 'site', 'empty'), '');
    await symlink('/etc', join(folder, 'site', 'etc'));
    const put = await ron(['put', '-r', './site', '--name', 'e2e/site', '--json']);
    expect(put.code).toBe(0);
    expect(JSON.parse(put.stdout)).toMatchObject({ files: 3, stored_files: 3, skipped: 1 });
    expect(JSON.parse(put.stderr)).toEqual({ warning: 'left out etc: symbolic link' });
    expect(await output(['get', 'e2e/site/css/a.css'])).toBe('p{}');
    expect(await output(['get', `${JSON.parse(put.stdout).address}/css/a.css`])).toBe('p{}');
    await output(['get', '-r', 'e2e/site', '-o', './copy']);
    expect((await readdir(join(folder, 'copy'), { recursive: true })).sort()).toEqual([
      'css',
      'css/a.css',
      'empty',
      'index.html',
    ]);
    expect(JSON.parse(await output(['get', '-r', 'e2e/site', '-o', './copy', '--json']))).toMatchObject({
      unchanged: 3,
    });
    await output(['get', '-r', 'e2e/site/css', '-o', './css']);
    expect(await readdir(join(folder, 'css'))).toEqual(['a.css']);
    expect(await ron(['get', 'e2e/site'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('is a folder'),
    });
  });

  it('says that a name is a folder also when the bundle has no page', async () => {
    await mkdir(join(folder, 'plain'));
    await writeFile(join(folder, 'plain', 'x'), 'x');
    await output(['put', '-r', './plain', '--name', 'e2e/plain']);
    expect(await ron(['get', 'e2e/plain'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('is a folder'),
    });
    expect(await ron(['get', 'e2e/plain', '-o', './file'])).toMatchObject({ code: 2 });
    expect(await readdir(folder)).toEqual(['plain']);
  });

  it('keeps the versions of a name', async () => {
    const [one, two] = [await output(['put', '-'], { input: 'one' }), await output(['put', '-'], { input: 'two' })];
    await output(['name', 'set', 'e2e/v', one!, '--new']);
    expect(await ron(['name', 'set', 'e2e/v', two!, '--new'])).toMatchObject({ code: 8 });
    await output(['name', 'set', 'e2e/v', two!, '--if-version', '1']);
    expect(await output(['name', 'rollback', 'e2e/v', '1'])).toBe(one);
    const history = (await output(['name', 'history', 'e2e/v', '--json'])).split('\n').map((line) => JSON.parse(line));
    expect(history.map(({ version, address }) => [version, address])).toEqual([
      [3, one],
      [2, two],
      [1, one],
    ]);
    expect(await output(['name', 'ls', 'e2e/v'])).toMatch(/e2e\/v +3 +b3:/);
    expect(await output(['why', 'e2e/v'])).toMatch(/kept by name +e2e\/v/);
    await output(['name', 'rm', 'e2e/v', '--dry-run']);
    await output(['name', 'rm', 'e2e/v']);
    expect(await ron(['name', 'resolve', 'e2e/v'])).toMatchObject({ code: 3 });
  });

  it('continues a download from what is right of it', async () => {
    const bytes = content(300_000);
    await writeFile(join(folder, 'big'), bytes);
    const address = await output(['put', './big', '--name', 'e2e/big']);
    const left = bytes.slice(0, 250_000);
    left[140_000]! ^= 1;
    await writeFile(partPath(join(folder, 'out'), address), left);
    const ran = await ron(['get', 'e2e/big', '-o', './out', '--json']);
    expect(JSON.parse(ran.stdout)).toMatchObject({ resumed_bytes: 131_072, bytes: 300_000 });
    expect(Buffer.compare(await readFile(join(folder, 'out')), bytes)).toBe(0);
    expect((await readdir(folder)).sort()).toEqual(['big', 'out']);
  });

  it('writes to a device without taking its place', async () => {
    const address = await output(['put', '-'], { input: 'gone' });
    await output(['get', address, '-o', '/dev/null']);
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
  });

  it('makes weaker capabilities that the node holds to', async () => {
    await writeFile(join(folder, 'f'), 'shared');
    await output(['put', './f', '--name', 'e2e/shared/f']);
    const reader = { RON_CAP: await output(['cap', 'attenuate', '--read', 'e2e/shared/', '--expires', '1h']) };
    expect(await output(['get', 'e2e/shared/f'], { env: reader })).toBe('shared');
    expect(await ron(['get', 'e2e/photo'], { env: reader })).toMatchObject({ code: 4 });
    const refused = await ron(['put', './f', '--name', 'e2e/shared/g'], { env: reader });
    expect(refused).toMatchObject({ code: 4, stdout: '' });
    expect(refused.stderr.trimEnd().split('\n')).toHaveLength(3);
    const writer = { RON_CAP: await output(['cap', 'attenuate', '--write', 'e2e/drop/']) };
    await output(['put', './f', '--name', 'e2e/drop/f'], { env: writer });
    expect(await ron(['put', './f', '--name', 'e2e/other'], { env: writer })).toMatchObject({ code: 4 });
    const shown = await output(['cap', 'show'], { env: reader });
    expect(shown).toContain('read on n/e2e/shared/');
    expect(shown).not.toContain('ron1_');
  });

  it('ends with 130 on Ctrl-C and leaves no half object', async () => {
    const child = startRon(['put', '-'], { cwd: folder, env: node.env });
    const ended = once(child, 'close');
    // Its own input asks for bytes once the command is at work: from then on it listens for signals.
    await new Promise<void>((resolve) => child.stdin!.write(content(4_000_000), () => resolve()));
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const address = await output(['put', '-'], { input: content(8_000_000) });
    const child = startRon(['get', address], { env: node.env });
    const ended = once(child, 'close');
    const said = text(child.stderr!);
    await once(child.stdout!, 'data');
    child.stdout!.destroy();
    expect([await ended, await said]).toEqual([[1, null], '']);
  });

  it('looks after the node: status, doctor, gc, scrub', async () => {
    expect(JSON.parse(await output(['status', '--json']))).toMatchObject({
      ready: true,
      usage: { durability: 'memory' },
    });
    const findings = (await output(['doctor', '--json'])).split('\n').map((line) => JSON.parse(line));
    expect(findings).toContainEqual(expect.objectContaining({ check: 'round trip', verdict: 'ok' }));
    expect(JSON.parse(await output(['gc', '--dry-run', '--json']))).toMatchObject({ dry_run: true });
    // Without an action it starts: an idle status would look as if everything had been checked.
    const scrubbed = async () => JSON.parse(await output(['scrub', 'status', '--json']));
    expect(JSON.parse(await output(['scrub', '--json']))).toMatchObject({ running: true });
    await expect.poll(async () => (await scrubbed()).running, { timeout: 30_000 }).toBe(false);
    expect((await scrubbed()).checked_objects).toBeGreaterThan(0);
    expect(await ron(['scrub'])).toMatchObject({ code: 0, stderr: expect.stringContaining('ron scrub status') });
    const help = (await ron(['scrub', '--help'])).stdout;
    expect(help).toMatch(/start.*status.*stop/);
  });

  it('measures what it says', async () => {
    const rows = (await output(['bench', '--seconds', '0.1', '--size', '2K', '--clients', '2', '--json'])).split('\n');
    const [put, get] = rows.map((row) => JSON.parse(row));
    expect([put, get]).toMatchObject([
      { job: 'put', size: 2_048 },
      { job: 'get', size: 2_048 },
    ]);
    expect(put.calls).toBeGreaterThan(0);
    expect(put.p99_ms).toBeGreaterThanOrEqual(put.p50_ms);
  });

  it('gives the whole tour without a terminal and cleans up after it', async () => {
    const tour = await runRon(['tour'], { env: { ...node.env, TMPDIR: folder } });
    expect(tour).toMatchObject({ code: 0 });
    expect(tour.stdout).toContain('$ ron put');
    expect(tour.stdout).toContain('(exit code 4, as it should be)');
    expect(tour.stdout).not.toMatch(/ron1_[\w-]/);
    expect((await readdir(folder)).filter((name) => name.startsWith('ron-tour-'))).toEqual([]);
    expect(await output(['name', 'ls', 'tour/', '--json'])).toBe('');
  });

  it('checks a configuration file as the node does', async () => {
    await writeFile(join(folder, 'good.toml'), '[server]\ndrain_ms = 5\n');
    await writeFile(join(folder, 'bad.toml'), '[server]\nlissten = "x"\n');
    expect(await output(['config', 'check', './good.toml', '--origin'])).toMatch(
      /server\.drain_ms +5 +file .*good\.toml:2/,
    );
    const bad = await ron(['config', 'check', './bad.toml']);
    expect(bad).toMatchObject({ code: 9, stderr: expect.stringMatching(/bad\.toml:2: server\.lissten: .*listen/) });
  });
});
