import { matches, proseFiles, type Rule } from '../rule.ts';

/** What is true on one machine only. */
export const machinePaths: Rule = {
  id: 'machine-path',
  *check(tree) {
    for (const file of proseFiles(tree)) {
      yield* matches(
        file,
        file.text,
        /(?<![\w./:-])\/(?:root|work|workspace|home\/[a-z]\w*|Users\/\w+)(?:\/[\w.-]+|(?=['"`\s]))/g,
        ([text]) => `${text}: no paths of one machine`,
      );
      yield* matches(
        file,
        file.text,
        /\b(?:registry\.(?:npmjs|yarnpkg)\.\w+|[\w.-]*(?:verdaccio|artifactory|nexus)[\w.-]*\.\w+)\b|\bregistry\s*=\s*http/gi,
        ([text]) => `${text}: no registry hosts`,
      );
      yield* matches(file, file.text, /\bC:\\Users\\/g, 'no paths of one machine');
    }
  },
};
