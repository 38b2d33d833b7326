import { isAddress } from '@ron/naming';
import type { Right } from '@ron/proto/capability';
import { usageError } from '../cli-error.ts';

const spaces = /^(?:o|n|box|admin)\//;

/**
 * The resource prefix that a person means: `docs/` is the names below docs, `b3:…` one object, `o/…`, `n/…`, `box/…` and
 * `admin/…` stand as they are, and the empty text is everything.
 */
export function parseRightPrefix(text: string): string {
  if (text === '' || spaces.test(text)) return text;
  if (text.startsWith('b3:')) {
    if (isAddress(text)) return `o/${text}`;
    throw usageError(`"${text}" is not an address: b3: and 64 lower-case hex digits`, 'ron cap attenuate --help');
  }
  if (text.startsWith('/')) throw usageError(`"${text}": names begin without a slash`, 'ron cap attenuate --help');
  return `n/${text}`;
}

export interface RightTexts {
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly list?: readonly string[];
  readonly delete?: readonly string[];
}

const objects = 'o/';

/**
 * The rights of `cap attenuate`; undefined when none was named. Content must be stored before it can be named, so
 * writing names brings writing objects along.
 */
export function rightsFromTexts(texts: RightTexts): Right[] | undefined {
  const methods = new Map<string, Set<Right['methods'][number]>>();
  const grant = (method: Right['methods'][number], prefix: string) => {
    const known = methods.get(prefix) ?? new Set();
    methods.set(prefix, known.add(method));
  };
  for (const method of ['read', 'write', 'list', 'delete'] as const) {
    for (const text of texts[method] ?? []) {
      const prefix = parseRightPrefix(text);
      grant(method, prefix);
      if (method === 'write' && prefix.startsWith('n/')) grant('write', objects);
    }
  }
  if (methods.size === 0) return undefined;
  return [...methods].map(([prefix, granted]) => ({ methods: [...granted], prefix }));
}
