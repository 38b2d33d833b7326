import { expect, test } from 'vitest';
import { makeTree } from '../tree.ts';
import { runRules } from './rule.ts';
import { components } from './rules/readme-structure.ts';
import { rules } from './rules.ts';
import { samples } from './samples.ts';

function places(rule: string, files: Readonly<Record<string, string>>): readonly string[] {
  const one = rules.filter((item) => item.id === rule);
  expect(one, rule).toHaveLength(1);
  return runRules(one, makeTree(files)).map(({ path, line }) => `${path}:${line}`);
}

test.each(samples)('$rule: $files', ({ rule, files, bad }) => {
  expect(places(rule, files)).toEqual(bad === undefined ? [] : [bad]);
});

const structure = `# A\n\n## Project Structure\n\n${components.map((name) => `- ${name}`).join('\n')}\n\n## B\n`;

test('readme-structure wants each component by its full name, in its section', () => {
  expect(places('readme-structure', { 'README.md': structure })).toEqual([]);
  expect(places('readme-structure', {})).toEqual(['README.md:1']);
  for (const name of components) {
    const without = structure.replace(`- ${name}\n`, `- x${name}\n- ${name}x\n`);
    expect(places('readme-structure', { 'README.md': `${without}\n${name}` }), name).toEqual(['README.md:3']);
  }
});

const packageTree = {
  'core/bus/package.json': '{"name":"@ron/bus"}',
  'core/bus/tsconfig.json': '{}',
  'core/bus/README.md': 'a\n'.repeat(60),
  'core/bus/src/a.ts': '',
};

test('package-files wants three files and no more', () => {
  expect(places('package-files', packageTree)).toEqual([]);
  expect(places('package-files', { ...packageTree, 'core/bus/README.md': 'a\n'.repeat(61) })).toEqual([
    'core/bus/README.md:60',
  ]);
  expect(places('package-files', { ...packageTree, 'core/bus/extra.json': '' })).toEqual(['core/bus/extra.json:1']);
  expect(places('package-files', { ...packageTree, 'core/bus/src/NOTES.md': '' })).toEqual(['core/bus/src/NOTES.md:1']);
  const { 'core/bus/README.md': _, ...without } = packageTree;
  expect(places('package-files', without)).toEqual(['core/bus/README.md:1']);
});

test('every rule has a good and a bad sample', () => {
  const covered = new Set(['readme-structure', 'package-files']);
  for (const { id } of rules) {
    if (covered.has(id)) continue;
    const own = samples.filter((sample) => sample.rule === id);
    expect(
      own.some((sample) => sample.bad === undefined),
      `good sample of ${id}`,
    ).toBe(true);
    expect(
      own.some((sample) => sample.bad !== undefined),
      `bad sample of ${id}`,
    ).toBe(true);
  }
});

test('a finding says what to write instead', () => {
  const tree = makeTree({ 'core/bus/src/a.ts': 'Date.now();' });
  expect(
    runRules(
      rules.filter((rule) => rule.id === 'banned-name'),
      tree,
    ),
  ).toEqual([{ rule: 'banned-name', path: 'core/bus/src/a.ts', line: 1, message: 'Date.now: use env.clock.wallMs()' }]);
});
