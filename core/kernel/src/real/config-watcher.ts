import fs from 'node:fs';
import path from 'node:path';
import type { Clock, Timer } from '../env/clock.ts';

/** Editors write a file in several steps; the text is read when it has been still for this long. */
const stillMs = 100;

/**
 * Calls back with the new text after the file changed. Watches the folder, because editors replace files by renaming.
 * A file that is absent for a moment is no change.
 */
export function watchConfigFile(
  file: string,
  clock: Clock,
  onText: (text: string) => void,
  onError: (error: unknown) => void,
): Disposable {
  let timer: Timer | undefined;
  let last = readText(file);
  const check = () => {
    try {
      const text = readText(file);
      if (text === undefined || text === last) return;
      last = text;
      onText(text);
    } catch (error) {
      onError(error);
    }
  };
  const watcher = fs.watch(path.dirname(file), { persistent: false }, (_event, name) => {
    if (name !== null && name !== path.basename(file)) return;
    timer?.cancel();
    timer = clock.after(stillMs, check);
  });
  watcher.on('error', onError);
  return {
    [Symbol.dispose]: () => {
      timer?.cancel();
      watcher.close();
    },
  };
}

function readText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
