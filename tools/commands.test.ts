import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ron-tools-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

function run(tool: string, ...args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const script = join(import.meta.dirname, tool, 'main.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args, root], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

const bus = {
  'tsconfig.json': '{"references":[{"path":"./core/bus"}]}',
  'core/bus/package.json': '{"name":"@ron/bus","license":"MIT"}',
  'core/bus/tsconfig.json': '{}',
};

test('check-layers prints file:line and fails, or passes', () => {
  write({ ...bus, 'core/bus/src/a.ts': 'export const a = 1;\n' });
  expect(run('check-layers')).toEqual({ status: 0, output: 'check-layers: 1 packages keep the layers\n' });
  write({ 'core/bus/src/a.ts': '\nexport const a = process.env;\n' });
  const { status, output } = run('check-layers');
  expect(status).toBe(1);
  expect(output).toMatch(/^core\/bus\/src\/a\.ts:2 composition .+\ncheck-layers: 1 findings\n$/);
});

test('tidy prints file:line and fails; its ratchet can be set', () => {
  write({ ...bus, 'core/bus/src/a.ts': '\nexport const a = Math.random() as any;\n' });
  const before = run('tidy');
  expect(before.status).toBe(1);
  expect(before.output).toContain('core/bus/src/a.ts:2 banned-name Math.random: use env.random.unit()\n');
  expect(before.output).toContain('1 of "as any", at most 0');
  mkdirSync(join(root, 'tools/tidy'), { recursive: true });
  expect(run('tidy', '--update').output).not.toContain('as any');
});

test('generated and installed files, and the data of a node, are not read', () => {
  const bad = 'export default Date.now();';
  write({
    'node_modules/a/src/a.ts': bad,
    'core/bus/dist/a.ts': bad,
    'data/journal/a.ts': bad,
    'data/svc-a/src/a.ts': bad,
  });
  const found = run('tidy').output.match(/^\S+\.ts:/gm);
  expect(found).toEqual(['data/svc-a/src/a.ts:', 'data/svc-a/src/a.ts:']);
});

const service = (name: string, uses: readonly string[]): string => {
  const contract = (of: string) => `{ name: '${of}', app: 1, operations: {} }`;
  const used = uses.map((of) => `'${of}': ${contract(of)}`).join(', ');
  return `export const a = { contract: ${contract(name)}, config: {}, uses: { ${used} }, start: async () => ({}) };\n`;
};

test('ls-apis compares with its golden file and fails on a cycle', () => {
  mkdirSync(join(root, 'tools/ls-apis'), { recursive: true });
  write({
    'data/svc-a/package.json': '{"name":"@ron/svc-a","type":"module"}',
    'data/svc-a/src/service.ts': service('a', []),
    'front/svc-b/package.json': '{"name":"@ron/svc-b","type":"module"}',
    'front/svc-b/src/service.ts': service('b', ['a']),
  });
  expect(run('ls-apis').output).toContain('start order: a, b\n');
  expect(run('ls-apis', '--check').status).toBe(1);
  expect(run('ls-apis', '--update').status).toBe(0);
  expect(run('ls-apis', '--check')).toEqual({ status: 0, output: 'ls-apis: as the golden file says\n' });
  write({ 'data/svc-a/src/service.ts': service('a', ['b']) });
  expect(run('ls-apis')).toEqual({ status: 1, output: 'ls-apis: cycle: a → b → a\n' });
  rmSync(join(root, 'data/svc-a/src/service.ts'));
  expect(run('ls-apis').output).toContain('data/svc-a has no src/service.ts');
});
