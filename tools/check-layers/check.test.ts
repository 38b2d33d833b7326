import { expect, test } from 'vitest';
import { makeTree } from '../tree.ts';
import { checkLayers } from './check.ts';

interface Sample {
  readonly dependencies?: readonly string[];
  readonly devDependencies?: readonly string[];
  readonly references?: readonly string[];
  readonly exports?: Record<string, string>;
  readonly sources?: Record<string, string>;
}

/** A made-up tree: folder → package. Files get the manifest and project that match unless the sample says otherwise. */
function check(samples: Record<string, Sample>): readonly string[] {
  const texts: Record<string, string> = {
    'package.json': JSON.stringify({ devDependencies: { vitest: '1' } }),
    'tsconfig.json': JSON.stringify({ references: Object.keys(samples).map((path) => ({ path: `./${path}` })) }),
  };
  for (const [folder, sample] of Object.entries(samples)) {
    const name = folder.split('/').at(-1)!;
    const entry = name.startsWith('svc-') ? { './service': './src/service.ts' } : { '.': './src/index.ts' };
    const devDependencies = Object.fromEntries((sample.devDependencies ?? []).map((item) => [item, '1']));
    const dependencies = Object.fromEntries((sample.dependencies ?? []).map((item) => [item, '1']));
    texts[`${folder}/package.json`] = JSON.stringify({
      name: `@ron/${name}`,
      exports: sample.exports ?? entry,
      dependencies,
      devDependencies,
    });
    const up = folder.includes('/') ? '../../' : '../';
    const references = (sample.references ?? []).map((path) => ({ path: up + path }));
    texts[`${folder}/tsconfig.json`] = JSON.stringify({ references });
    for (const [path, text] of Object.entries(sample.sources ?? {})) texts[`${folder}/${path}`] = text;
  }
  return checkLayers(makeTree(texts)).map(({ path, line, rule }) => `${path}:${line} ${rule}`);
}

const proto: Sample = {};
const uses = (module: string, folder: string, file = 'src/a.ts'): Sample => ({
  dependencies: [module.split('/').slice(0, 2).join('/')],
  references: [folder],
  sources: { [file]: `import { a } from '${module}';\n` },
});

test('a tree that keeps the rules has no findings', () => {
  expect(
    check({
      'protocol/proto': { sources: { 'src/a.ts': "// import 'node:fs'\nconst text = \"from 'node:fs'\";\n" } },
      'protocol/naming': uses('@ron/proto/errors', 'protocol/proto'),
      'data/svc-storage': uses('@ron/proto/errors', 'protocol/proto'),
      'profiles/micronode': uses('@ron/svc-storage/service', 'data/svc-storage'),
      'sdk/app-sdk': { sources: { 'src/node/files.ts': "import 'node:fs';", 'src/b.test.ts': "import 'vitest';" } },
      tests: { sources: { 'e2e/a.ts': "import { spawn } from 'node:child_process';\nprocess.env.A;\n" } },
    }),
  ).toEqual([]);
});

test('imports go down only, and sideways only by an edge', () => {
  expect(check({ 'protocol/proto': uses('@ron/kernel', 'core/kernel'), 'core/kernel': {} })).toEqual([
    'protocol/proto/package.json:1 layers',
    'protocol/proto/src/a.ts:1 layers',
  ]);
  expect(check({ 'core/bus': uses('@ron/metrics', 'core/metrics'), 'core/metrics': {} })).toContain(
    'core/bus/src/a.ts:1 layers',
  );
  expect(check({ 'sdk/app-sdk': uses('@ron/kernel', 'core/kernel'), 'core/kernel': {} })).toContain(
    'sdk/app-sdk/src/a.ts:1 layers',
  );
  expect(check({ 'core/kernel': { sources: { 'src/a.ts': "import '../../bus/src/b.ts';" } } })).toEqual([
    'core/kernel/src/a.ts:1 layers',
  ]);
  expect(check({ 'core/kernel': { sources: { 'src/b/a.ts': "import '../c.ts';" } } })).toEqual([]);
});

test('every form of import counts', () => {
  const forms = [
    "export { a } from '@ron/kernel';",
    "import type { A } from '@ron/kernel';",
    "await import('@ron/kernel');",
    "import '@ron/kernel';",
    "type A = import('@ron/kernel').A;",
    "import {\n  a,\n} from '@ron/kernel';",
    "import.meta.resolve('@ron/kernel');",
  ];
  for (const form of forms) {
    const findings = check({ 'protocol/b3': { sources: { 'src/a.ts': form } }, 'core/kernel': {} });
    expect(
      findings.some((finding) => finding.endsWith(' layers')),
      form,
    ).toBe(true);
  }
});

test('a service never imports a service, and few import one at all', () => {
  const storage = { 'data/svc-storage': {} };
  expect(check({ ...storage, 'front/svc-gateway': uses('@ron/svc-storage/service', 'data/svc-storage') })).toContain(
    'front/svc-gateway/src/a.ts:1 layers',
  );
  expect(check({ ...storage, 'apps/ron': uses('@ron/svc-storage/service', 'data/svc-storage') })).toContain(
    'apps/ron/src/a.ts:1 layers',
  );
  expect(check({ ...storage, tests: uses('@ron/svc-storage/service', 'data/svc-storage', 'a.test.ts') })).toEqual([]);
});

test('a service exports and is imported by ./service only', () => {
  expect(check({ 'data/svc-index': { exports: { './service': 'a', '.': 'b' } } })).toEqual([
    'data/svc-index/package.json:1 service-exports',
  ]);
  expect(check({ 'data/svc-index': {}, bench: uses('@ron/svc-index/src/x.ts', 'data/svc-index') })).toEqual([
    'bench/src/a.ts:1 service-exports',
  ]);
});

test('protocol and sdk are pure', () => {
  for (const line of ["import 'node:fs';", "import { join } from 'path';", 'Buffer.from(x);', 'process.cwd();']) {
    expect(check({ 'protocol/b3': { sources: { 'src/a.ts': line } } }), line).toEqual(['protocol/b3/src/a.ts:1 pure']);
    expect(check({ 'sdk/app-sdk': { sources: { 'src/a.ts': line } } }), line).toEqual(['sdk/app-sdk/src/a.ts:1 pure']);
    expect(check({ 'sdk/app-sdk': { sources: { 'src/a.node.ts': line } } }), line).toEqual([]);
  }
});

test('only those who compose read the environment or spawn', () => {
  const sources = { 'src/a.ts': "\nconst a = process.env.A;\nimport 'node:child_process';\n" };
  expect(check({ 'core/kernel': { sources } })).toEqual([
    'core/kernel/src/a.ts:3 composition',
    'core/kernel/src/a.ts:2 composition',
  ]);
  expect(check({ 'profiles/micronode': { sources }, 'apps/ron': { sources } })).toEqual([]);
});

test('development dependencies are for tests', () => {
  const source = "import 'pino';";
  const development = { devDependencies: ['pino'] };
  expect(check({ 'core/bus': { ...development, sources: { 'src/a.test.ts': source } } })).toEqual([]);
  expect(check({ 'core/bus': { ...development, sources: { 'src/a.ts': source } } })).toEqual([
    'core/bus/package.json:1 declared',
  ]);
  expect(check({ 'core/bus': development })).toEqual(['core/bus/package.json:1 declared']);
});

test('declared, used and referenced are the same', () => {
  const source = { 'src/a.ts': "import '@ron/proto/errors';\nimport 'lmdb';\n" };
  expect(check({ 'protocol/proto': proto, 'data/svc-index': { sources: source } })).toEqual([
    'data/svc-index/package.json:1 declared',
    'data/svc-index/package.json:1 declared',
  ]);
  expect(check({ 'core/bus': { dependencies: ['pino'] } })).toEqual(['core/bus/package.json:1 declared']);
  expect(
    check({ 'core/bus': { dependencies: ['@ron/gone'], sources: { 'src/a.ts': "import '@ron/gone';" } } }),
  ).toEqual(['core/bus/package.json:1 declared', 'core/bus/src/a.ts:1 layers']);
  expect(
    check({ 'protocol/proto': {}, 'core/bus': { ...uses('@ron/proto/a', 'protocol/proto'), references: [] } }),
  ).toEqual(['core/bus/tsconfig.json:1 references']);
  expect(check({ 'protocol/proto': {}, 'core/bus': { references: ['protocol/proto'] } })).toEqual([
    'core/bus/tsconfig.json:1 references',
  ]);
  const root = makeTree({ 'core/bus/package.json': '{"name":"@ron/bus"}', 'tsconfig.json': '{"references":[]}' });
  expect(checkLayers(root).map(({ path, rule }) => `${path} ${rule}`)).toEqual(['tsconfig.json references']);
});
