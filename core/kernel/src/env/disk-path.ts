import { SystemError } from './system-error.ts';

/**
 * The names of a path relative to a disk's root; the root itself is `''` or `'.'`.
 * Refuses with `EINVAL` what could leave the root or mean two things: absolute paths, `..`, `.`, empty names, NUL, backslashes.
 */
export function splitDiskPath(path: string): readonly string[] {
  if (path === '' || path === '.') return [];
  const names = path.split('/');
  for (const name of names) {
    if (name === '' || name === '.' || name === '..' || name.includes('\0') || name.includes('\\')) {
      throw new SystemError('EINVAL', 'a disk path is relative and holds no empty, "." or ".." part');
    }
  }
  return names;
}
