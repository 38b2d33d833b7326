import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Full path of a program on the search path, or undefined. */
export function findProgram(...names: readonly string[]): string | undefined {
  for (const name of names) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      const path = join(folder, name);
      if (isExecutable(path)) return path;
    }
  }
  return undefined;
}

/** A Chromium or Chrome: `RON_CHROMIUM`, or one that the system has installed. */
export function findChromium(): string | undefined {
  const named = process.env['RON_CHROMIUM'];
  if (named !== undefined) return isExecutable(named) ? named : undefined;
  return findProgram('chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome');
}

/** What a browser needs to run without a screen, also as root in a container, and without calling home. */
export const chromiumArgs = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
