import { readFileSync, writeFileSync } from 'node:fs';

/** A file of `scenarios/` by its name, or any by a path that ends with `.json`, parsed. Throws `RangeError` when there is none, or no JSON in it. */
export function readScenario(name: string): unknown {
  const isPath = name.endsWith('.json');
  if (!isPath && !/^[a-z0-9-]{1,40}$/.test(name)) throw new RangeError(`no scenario ${name}`);
  try {
    return JSON.parse(readFileSync(isPath ? name : new URL(`scenarios/${name}.json`, import.meta.url), 'utf8'));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') throw new RangeError(`no scenario ${name}`);
    if (error instanceof SyntaxError) throw new RangeError(`${name}: ${error.message}`);
    throw error;
  }
}

export function writeChart(path: string, svg: string): void {
  writeFileSync(path, svg);
}
