import { matches, type Rule, sourceFiles } from '../rule.ts';

/** A search for a name must find every place that brings it in. */
export const exportForms: Rule = {
  id: 'export-form',
  *check(tree) {
    for (const file of sourceFiles(tree)) {
      // Tools that read a configuration file ask for its default export.
      if (/(^|\/)[a-z]+\.config\.ts$/.test(file.path)) continue;
      yield* matches(file, file.code, /\bexport\s+default\b/g, 'no default export: export the name');
      yield* matches(file, file.code, /\bexport\s*\*/g, 'no "export *": list the names');
    }
  },
};
