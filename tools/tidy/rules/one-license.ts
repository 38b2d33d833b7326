import { readJson } from '../../packages.ts';
import type { Rule } from '../rule.ts';

export const oneLicense: Rule = {
  id: 'one-license',
  *check(tree) {
    if (!tree.paths.has('LICENSE')) yield { path: 'LICENSE', line: 1, message: 'is missing' };
    for (const path of tree.paths) {
      const name = path.split('/').at(-1)!;
      if (path !== 'LICENSE' && /^(licen[cs]e|copying)(\.\w+)?$/i.test(name)) {
        yield { path, line: 1, message: 'the tree has one LICENSE, at its root' };
      }
      if (name === 'package.json' && readJson(tree, path).license !== 'MIT') {
        yield { path, line: 1, message: 'say "license": "MIT"' };
      }
    }
  },
};
