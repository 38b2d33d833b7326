import type { Tree } from '../../tree.ts';
import { type Rule, sourceFiles } from '../rule.ts';

export const ratchetPath = 'tools/tidy/ratchet.json';

/** Habits that are sometimes right and should not spread. Their number outside tests may only fall. */
const habits: Readonly<Record<string, RegExp>> = {
  'biome-ignore': /\bbiome-ignore\b/g,
  'as unknown as': /\bas unknown as\b/g,
  'as any': /\bas any\b/g,
};

export function countHabits(tree: Tree): Readonly<Record<string, number>> {
  const product = sourceFiles(tree).filter((file) => !file.isTest);
  const counts: Record<string, number> = {};
  for (const [habit, pattern] of Object.entries(habits)) {
    counts[habit] = product.reduce((sum, file) => sum + (file.text.match(pattern)?.length ?? 0), 0);
  }
  return counts;
}

export const ratchet: Rule = {
  id: 'ratchet',
  *check(tree) {
    const allowed = JSON.parse(tree.file(ratchetPath)?.text ?? '{}') as Record<string, number>;
    for (const [habit, count] of Object.entries(countHabits(tree))) {
      const most = allowed[habit] ?? 0;
      if (count > most) {
        yield {
          path: ratchetPath,
          line: 1,
          message: `${count} of "${habit}", at most ${most}: write it without, or raise the number with the reason in the commit`,
        };
      }
    }
  },
};
