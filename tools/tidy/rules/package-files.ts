import { readPackages } from '../../packages.ts';
import type { Rule } from '../rule.ts';

const required = ['package.json', 'tsconfig.json', 'README.md'];
const readmeLinesMax = 60;
/** Files beside the three that a package is known for. */
const also = new Set(['bench/RESULTS.md']);
const source = /\.(ts|tsx|js|mjs|css|html)$/;

/** Three files that are not source: no notes, change logs or licences of a package's own. */
export const packageFiles: Rule = {
  id: 'package-files',
  *check(tree) {
    for (const { folder } of readPackages(tree)) {
      for (const name of required) {
        if (!tree.paths.has(`${folder}/${name}`)) yield { path: `${folder}/${name}`, line: 1, message: 'is missing' };
      }
      for (const path of tree.paths) {
        if (!path.startsWith(`${folder}/`) || also.has(path)) continue;
        const inside = path.slice(folder.length + 1);
        if (!inside.includes('/') && !required.includes(inside) && !source.test(inside)) {
          yield { path, line: 1, message: 'a package holds package.json, tsconfig.json, README.md and source only' };
        }
        if (/(^|\/)(notes|todo|changelog|history|licen[cs]e|contributing)(\.md|\.txt)?$/i.test(inside)) {
          yield { path, line: 1, message: 'prose of a package is its README, or a decision in docs/decisions' };
        }
      }
      const lines = tree.file(`${folder}/README.md`)?.text.trimEnd().split('\n').length ?? 0;
      if (lines > readmeLinesMax) {
        yield {
          path: `${folder}/README.md`,
          line: readmeLinesMax,
          message: `${lines} lines, at most ${readmeLinesMax}`,
        };
      }
    }
  },
};
