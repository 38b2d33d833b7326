import type { TextFile, Tree } from '../tree.ts';

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  /** What is wrong and what to write instead. */
  readonly message: string;
}

/** One habit of the tree, as code. A rule sees every file, so it can also ask for what is missing. */
export interface Rule {
  readonly id: string;
  check(tree: Tree): Iterable<Omit<Finding, 'rule'>>;
}

export function runRules(rules: readonly Rule[], tree: Tree): readonly Finding[] {
  return rules.flatMap((rule) => [...rule.check(tree)].map((finding) => ({ rule: rule.id, ...finding })));
}

/** The rules' own samples are the one place where the refused words must stand. */
export function proseFiles(tree: Tree): readonly TextFile[] {
  return tree.files.filter((file) => !file.path.startsWith('tools/tidy/'));
}

export function sourceFiles(tree: Tree): readonly TextFile[] {
  return proseFiles(tree).filter((file) => file.isSource);
}

/** Each match of a pattern in some form of a file, as a finding. */
export function* matches(
  file: TextFile,
  text: string,
  pattern: RegExp,
  message: string | ((match: RegExpMatchArray) => string | undefined),
): Iterable<Omit<Finding, 'rule'>> {
  for (const match of text.matchAll(pattern)) {
    const said = typeof message === 'string' ? message : message(match);
    if (said !== undefined) yield { path: file.path, line: file.lineAt(match.index), message: said };
  }
}
