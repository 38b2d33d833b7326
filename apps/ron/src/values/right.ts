import type { Right } from '@ron/proto/capability';
import { usageError } from '../cli-error.ts';
import { parseRightPrefix } from './right-prefix.ts';

const methods: ReadonlySet<string> = new Set(['read', 'write', 'delete', 'list', 'admin']);

/** `read,write:n/docs/`: methods, a colon, and a prefix as `cap attenuate` takes it. */
export function parseRight(text: string): Right {
  const colon = text.indexOf(':');
  const given = text.slice(0, Math.max(0, colon)).split(',');
  if (!given.every((method) => methods.has(method)) || new Set(given).size !== given.length) {
    throw usageError(
      `"${text}" is not a right: write METHODS:PREFIX, as read,write:n/docs/ (read, write, delete, list, admin)`,
      'ron passport issue --help',
    );
  }
  return { methods: given as Right['methods'], prefix: parseRightPrefix(text.slice(colon + 1)) };
}
