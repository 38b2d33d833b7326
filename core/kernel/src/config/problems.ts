/** One thing that is wrong, in the words of who wrote the file. */
export interface ConfigProblem {
  /** `table.field`, `table`, or empty when the file could not be read at all. */
  readonly path: string;
  readonly message: string;
  /** Where: `config.toml:12`, an environment variable, a flag. */
  readonly where: string;
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

export function formatProblem({ path, message, where }: ConfigProblem): string {
  return [where, path, message].filter((part) => part !== '').join(': ');
}

/** The closest name, for "did you mean"; undefined when none is near. */
export function nearest(wanted: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(wanted.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance, one row at a time. Names longer than 100 characters count as far away. */
function editDistance(a: string, b: string): number {
  if (a.length > 100 || b.length > 100) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** The line (from 1) of every `table.field` and `table`. Good enough for messages: strings over several lines may confuse it. */
export function lineNumbers(toml: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  let table = '';
  for (const [index, line] of toml.split('\n').entries()) {
    const header = /^\s*\[\s*([\w.-]+)\s*\]/.exec(line);
    const key = /^\s*(?:"([^"]+)"|([\w.-]+))\s*=/.exec(line);
    if (header !== null) {
      table = header[1] as string;
      lines.set(table, index + 1);
    } else if (key !== null) {
      const name = (key[1] ?? key[2]) as string;
      lines.set(table === '' ? name : `${table}.${name}`, index + 1);
    }
  }
  return lines;
}
