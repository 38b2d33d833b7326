import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkLayers } from '../check-layers/check.ts';
import { readPackages } from '../packages.ts';
import { runRules } from '../tidy/rule.ts';
import { rules } from '../tidy/rules.ts';
import { makeTree, readTree } from '../tree.ts';
import { scaffold } from './scaffold.ts';

const repository = join(import.meta.dirname, '../..');
const root = mkdtempSync(join(tmpdir(), 'ron-new-service-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The sources of the tree, with `node_modules` linked so that @ron/* are the copies. */
function copyTree(): void {
  const tree = readTree(repository);
  const folders = readPackages(tree).map(({ folder }) => folder);
  const common = ['package.json', 'tsconfig.json', 'tsconfig.base.json', 'biome.json', 'vitest.config.ts'];
  // The configuration of the tests imports the last one.
  for (const name of [...common, 'tools/chance']) cpSync(join(repository, name), join(root, name), { recursive: true });
  const filter = (path: string) => !['node_modules', 'dist'].includes(basename(path));
  for (const folder of folders) cpSync(join(repository, folder), join(root, folder), { recursive: true, filter });
  mkdirSync(join(root, 'node_modules/@ron'), { recursive: true });
  for (const name of readdirSync(join(repository, 'node_modules'))) {
    if (name !== '@ron') symlinkSync(join(repository, 'node_modules', name), join(root, 'node_modules', name));
  }
  for (const folder of [...folders, 'data/svc-dead-letter']) {
    symlinkSync(join(root, folder), join(root, 'node_modules/@ron', basename(folder)));
  }
}

/** Output of a command that must succeed; what it printed is in the error otherwise. */
function node(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args[0]} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout + stderr;
}

describe('a new service in a copy of the tree', () => {
  const own = (path: string) => /svc-dead-letter|dead-letter\.ts/.test(path);

  test('is written by the command', () => {
    copyTree();
    const printed = node(join(repository, 'tools/new-service/main.ts'), 'dead-letter', '--root', root);
    expect(printed).toContain('data/svc-dead-letter/src/service.ts');
    expect(readTree(root).paths.has('protocol/proto/src/dead-letter.ts')).toBe(true);
  });

  test('keeps the layers and the text rules', () => {
    const tree = readTree(root);
    const findings = [...checkLayers(tree), ...runRules(rules, tree)];
    expect(findings.filter(({ path, message }) => own(path) || own(message))).toEqual([]);
  });

  test('is formatted and lints', () => {
    const files = [...readTree(root).paths].filter(own);
    const output = node(
      'node_modules/@biomejs/biome/bin/biome',
      'check',
      '--vcs-enabled=false',
      ...files,
      'tsconfig.json',
      'protocol/proto/package.json',
    );
    expect(files).toHaveLength(7);
    // Every file but the README, which the formatter does not know, and the two changed ones.
    expect(output).toContain(`Checked ${files.length + 1} files`);
  });

  test('has its types and passes its own test', { timeout: 300_000 }, () => {
    node('node_modules/typescript/bin/tsc', '-b', 'data/svc-dead-letter');
    const output = node('node_modules/vitest/vitest.mjs', 'run', '--root', root, 'data/svc-dead-letter');
    expect(output).toMatch(/1 passed/);
  });
});

describe('scaffold', () => {
  const tree = makeTree({
    'package.json': '{ "workspaces": ["data/*"] }',
    'tsconfig.json': '{ "references": [{ "path": "./core/bus" }] }',
    'protocol/proto/package.json': '{ "exports": {} }',
    'protocol/proto/src/a.ts': 'app: 0x8004,',
    'protocol/proto/src/taken.ts': '',
  });

  test('takes the next free application id, or the given one', () => {
    const contract = 'protocol/proto/src/mail.ts';
    expect(scaffold(tree, { name: 'mail', layer: 'data' })[contract]).toContain('app: 0x8005,');
    expect(scaffold(tree, { name: 'svc-mail', layer: 'data', app: 0x0201 })[contract]).toContain('app: 0x0201,');
  });

  test('registers the package', () => {
    const files = scaffold(tree, { name: 'mail', layer: 'net' });
    expect(JSON.parse(files['tsconfig.json']!).references).toEqual([
      { path: './core/bus' },
      { path: './net/svc-mail' },
    ]);
    expect(JSON.parse(files['package.json']!).workspaces).toEqual(['net/*', 'data/*']);
    expect(JSON.parse(files['protocol/proto/package.json']!).exports).toEqual({ './mail': './src/mail.ts' });
  });

  test.each([
    ['Mail', 'data', /kebab-case/],
    ['../mail', 'data', /kebab-case/],
    ['mail', 'core', /layer is one of/],
    ['taken', 'data', /exists already/],
  ])('refuses %s in %s', (name, layer, message) => {
    expect(() => scaffold(tree, { name, layer })).toThrow(message);
  });
});
