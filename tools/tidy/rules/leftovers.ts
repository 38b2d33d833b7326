import { matches, proseFiles, type Rule } from '../rule.ts';

/** Nothing is left for later in the tree, and no test is switched off. */
export const leftovers: Rule = {
  id: 'leftover',
  *check(tree) {
    for (const file of proseFiles(tree)) {
      yield* matches(
        file,
        file.text,
        /\b(?:TODO|FIXME|XXX|HACK)\b/g,
        ([text]) => `${text}: do it now, or open an issue`,
      );
      if (!file.isSource) continue;
      yield* matches(file, file.text, /\bnot (?:yet )?implemented\b/gi, 'implement it, or leave it out');
      yield* matches(file, file.text, /@ts-(?:ignore|nocheck|expect-error)\b/g, ([text]) => `${text}: fix the type`);
      yield* matches(
        file,
        file.text,
        /\bbiome-ignore(?:-\w+)? [\w/]+(?!.*: \S+ \S+ \S+)/g,
        'say why, in at least three words',
      );
      yield* matches(file, file.code, /\bdebugger\b/g, 'remove it');
      yield* matches(
        file,
        file.code,
        /\b(?:it|test|describe)\s*\.\s*(?:only|skip|todo|fails|skipIf|runIf)\b/g,
        ([text]) => `${text}: every test runs; what cannot run here is a command of its own`,
      );
    }
  },
};
