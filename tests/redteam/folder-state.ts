import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Every file below a folder, by its path from there, sorted. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** What any change of any file below a folder changes: names, modes, content. */
export function stateOf(folder: string): Readonly<Record<string, string>> {
  const states = filesBelow(folder).map((path) => {
    const full = join(folder, path);
    const digest = createHash('sha512').update(readFileSync(full)).digest('hex').slice(0, 32);
    return [path, `${(statSync(full).mode & 0o777).toString(8)} ${digest}`] as const;
  });
  return Object.fromEntries(states);
}
