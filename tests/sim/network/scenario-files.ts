import { readFileSync, writeFileSync } from 'node:fs';

/** A file of `scenarios/`, parsed. Throws `RangeError` for a name that there is no file of. */
export function readScenario(name: string): unknown {
  if (!/^[a-z0-9-]{1,40}$/.test(name)) throw new RangeError(`no scenario ${name}`);
  try {
    return JSON.parse(readFileSync(new URL(`scenarios/${name}.json`, import.meta.url), 'utf8'));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') throw new RangeError(`no scenario ${name}`);
    throw error;
  }
}

export function writeChart(path: string, svg: string): void {
  writeFileSync(path, svg);
}
