import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempFolder extends Disposable {
  readonly path: string;
  join(...parts: string[]): string;
}

/** A new empty folder, removed with all that is in it when disposed. Its path is short enough for a Unix socket inside. */
export function tempFolder(): TempFolder {
  const path = mkdtempSync(join(tmpdir(), 'ron-'));
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
