import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ExportedLog } from './testing/audit-export.ts';
import { runHere } from './testing/run-ron.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';

/** A URL where nothing answers: whatever asks a node fails. */
const env = { RON_NODE_URL: 'http://127.0.0.1:1' };

async function verify(lines: readonly string[], options: readonly string[]) {
  const path = join(temporaryFolder(onTestFinished), 'log.ndjson');
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  const { code, stdout, stderr } = await runHere(['--json', 'audit', 'verify', path, ...options], { env });
  const rows = stdout.split('\n').filter((line) => line !== '');
  return { code, rows: rows.map((row) => JSON.parse(row)), stdout, stderr };
}

describe('ron audit verify, without a node', () => {
  it('finds nothing in a log that is as it was signed', async () => {
    const log = new ExportedLog(9);
    const { code, rows } = await verify(await log.lines(), ['--key', log.key]);
    expect({ code, rows }).toEqual({ code: 0, rows: [expect.objectContaining({ ok: true, size: 9, from: 0, to: 9 })] });
    expect((await verify(await log.lines(3, 7), ['--key', log.key])).code).toBe(0);
  });

  it.each<[string, (lines: string[]) => void, RegExp, number]>([
    ['edited', (lines) => lines.splice(5, 1, lines[5]!.replace('alice', 'mallory')), /edited/, 4],
    ['deleted', (lines) => lines.splice(5, 1), /./, 4],
    ['cut off', (lines) => lines.splice(8, 2), /./, 7],
    [
      'exchanged',
      (lines) => {
        const entry = (line: string) => /"entry":(\{.*?\}),"index"/.exec(line)![1]!;
        const [a, b] = [entry(lines[3]!), entry(lines[6]!)];
        lines[3] = lines[3]!.replace(a, () => b);
        lines[6] = lines[6]!.replace(b, () => a);
      },
      /reordered/,
      2,
    ],
  ])('says which entry was %s, with exit code 7', async (_what, forge, kind, index) => {
    const log = new ExportedLog(9);
    const lines = await log.lines();
    forge(lines);
    const { code, rows } = await verify(lines, ['--key', log.key]);
    expect(code).toBe(7);
    const findings = rows.filter((row) => row.finding !== undefined);
    expect(Math.min(...findings.map((finding) => finding.index))).toBe(index);
    expect(findings.map((finding) => finding.finding).join()).toMatch(kind);
    expect(rows.at(-1)).toMatchObject({ ok: false, findings: findings.length });
  });

  it('refuses a log that somebody else has signed', async () => {
    const log = new ExportedLog(4);
    const { code, rows } = await verify(await log.lines(), ['--key', new ExportedLog(4).key]);
    expect(code).toBe(7);
    expect(rows[0]).toMatchObject({ finding: 'signature' });
  });

  it('compares with a checkpoint that was kept: an older one of the same log fits, one of another history does not', async () => {
    const log = new ExportedLog(9);
    const path = join(temporaryFolder(onTestFinished), 'checkpoint');
    writeFileSync(path, await log.checkpoint(5));
    const options = ['--key', log.key, '--checkpoint', path];
    expect((await verify(await log.lines(), options)).code).toBe(0);
    log.entries[2] = log.entries[3]!;
    expect((await verify(await log.lines(), options)).code).toBe(7);
  });

  it('warns when it has to believe the key that the file names', async () => {
    const { code, stderr } = await verify(await new ExportedLog(3).lines(), []);
    expect(code).toBe(0);
    expect(JSON.parse(stderr).warning).toMatch(/whoever wrote the file chose it/);
  });

  it('says in words what is wrong, one line a finding', async () => {
    const log = new ExportedLog(4);
    const path = join(temporaryFolder(onTestFinished), 'log.ndjson');
    const lines = await log.lines();
    lines[2] = lines[2]!.replace('alice', 'mallory');
    writeFileSync(path, `${lines.join('\n')}\n`);
    const { code, stdout } = await runHere(['audit', 'verify', path, '--key', log.key], { env });
    expect(code).toBe(7);
    expect(stdout).toMatch(/^edited {2}entry 1: /);
    expect(stdout).toMatch(/result +1 found/);
  });

  it('needs a key for a folder, and says where there is one', async () => {
    const { code, stderr } = await runHere(['audit', 'verify', temporaryFolder(onTestFinished)], { env });
    expect(code).toBe(2);
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
    expect(stderr).toContain('--key "$(ron audit key)"');
  });

  it('says that a file is no export', async () => {
    const { code, stderr } = await verify(['hello'], []);
    expect(code).toBe(7);
    expect(stderr).toContain('does not begin as an export');
  });

  it('checks one receipt', async () => {
    const log = new ExportedLog(6);
    const path = join(temporaryFolder(onTestFinished), 'receipt');
    writeFileSync(path, await log.receipt(4));
    const run = (key: string) => runHere(['audit', 'verify', path, '--receipt', '--key', key], { env });
    const { code, stdout } = await run(log.key);
    expect(code).toBe(0);
    expect(stdout).toMatch(/entry 4 of ron\.test\/log, in the tree of 6/);
    expect((await run(new ExportedLog(6).key)).code).toBe(7);
  });
});
