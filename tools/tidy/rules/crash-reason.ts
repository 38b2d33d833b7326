import type { TextFile } from '../../tree.ts';
import { type Finding, matches, proseFiles, type Rule } from '../rule.ts';

const message = 'ServiceCrashed always carries its reason: { service, reason }';

/** A crash without its reason cannot be acted on. Holds for the declaration, every construction and the prose. */
export const crashReason: Rule = {
  id: 'crash-reason',
  *check(tree) {
    for (const file of proseFiles(tree)) {
      if (file.isSource) yield* checkSource(file);
      else
        yield* matches(file, file.text, /ServiceCrashed\s*\{([^}]*)\}/g, ([, fields = '']) =>
          /\breason\b/.test(fields) ? undefined : message,
        );
    }
  },
};

function* checkSource(file: TextFile): Iterable<Omit<Finding, 'rule'>> {
  const tag = /\b(?:type|kind|event)\s*:\s*(?:Type\.Literal\(\s*)?['"]ServiceCrashed['"]/g;
  for (const match of file.uncommented.matchAll(tag)) {
    const [open, close] = braces(file.code, match.index);
    const narrows = /\bExtract<[^<>{]*$/.test(file.code.slice(Math.max(0, open - 80), open));
    if (!narrows && !/\breason\b/.test(file.code.slice(open, close))) {
      yield { path: file.path, line: file.lineAt(match.index), message };
    }
  }
}

/** The innermost pair of braces around `at`. */
function braces(code: string, at: number): readonly [number, number] {
  let open = at;
  for (let depth = 0; open > 0; open -= 1) {
    if (code[open] === '}') depth += 1;
    else if (code[open] === '{' && depth-- === 0) break;
  }
  let close = at;
  for (let depth = 0; close < code.length; close += 1) {
    if (code[close] === '{') depth += 1;
    else if (code[close] === '}' && depth-- === 0) break;
  }
  return [open, close];
}
