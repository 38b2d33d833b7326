import { type Rule, sourceFiles } from '../rule.ts';

export const sourceLinesMax = 400;

export const fileLength: Rule = {
  id: 'file-length',
  *check(tree) {
    for (const file of sourceFiles(tree)) {
      const lines = file.text.split('\n').length - (file.text.endsWith('\n') ? 1 : 0);
      if (lines > sourceLinesMax) {
        yield {
          path: file.path,
          line: sourceLinesMax,
          message: `${lines} lines, at most ${sourceLinesMax}: split by concept`,
        };
      }
    }
  },
};
