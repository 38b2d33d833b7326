import { type Rule, sourceFiles } from '../rule.ts';

const meaningless = new Set([
  'util',
  'utils',
  'utilities',
  'common',
  'helper',
  'helpers',
  'misc',
  'shared',
  'manager',
  'impl',
]);

/** Kebab-case nouns that say what is inside. */
export const fileNames: Rule = {
  id: 'file-name',
  *check(tree) {
    for (const file of sourceFiles(tree)) {
      const parts = file.path.split('/');
      const name = parts.at(-1)!;
      const words = parts.flatMap((part) => part.split(/[.-]/));
      const word = words.find((item) => meaningless.has(item.toLowerCase()));
      if (word !== undefined) {
        yield { path: file.path, line: 1, message: `"${word}" says nothing: name the file after the concept it holds` };
      }
      if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.(ts|tsx|js|mjs)$/.test(name)) {
        yield { path: file.path, line: 1, message: 'file names are kebab-case' };
      }
    }
  },
};
