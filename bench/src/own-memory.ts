import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of this process after a collection. */
export function memoryOf(): { readonly heap: number; readonly rss: number } {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  const status = readFileSync('/proc/self/status', 'utf8');
  return { heap: heapUsed + external, rss: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024 };
}
