import { matches, type Rule, sourceFiles } from '../rule.ts';

const message = 'an error is handled, or passed on with its cause; a comment is not handling';

/** A comment alone leaves the block empty: the error's code is checked, or the error goes on. */
export const emptyCatch: Rule = {
  id: 'empty-catch',
  *check(tree) {
    for (const file of sourceFiles(tree)) {
      yield* matches(file, file.code, /\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}/g, message);
      yield* matches(file, file.code, /\.\s*catch\s*\(\s*(?:async\s*)?\([^)]*\)\s*=>\s*\{\s*\}\s*\)/g, message);
    }
  },
};
