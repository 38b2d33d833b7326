import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { output } from '../processes.ts';

export interface MemorySample {
  readonly engine: 'ram' | 'journal';
  readonly count: number;
  readonly rssBytes: number;
  /** Of the JavaScript heap and the buffers that it holds, after a collection. */
  readonly heapBytes: number;
}

const program = fileURLToPath(new URL('./memory-process.ts', import.meta.url));
const timeoutMs = 900_000;

/** A process of its own for each engine and count, so that nothing of one is in the numbers of another. */
export async function measureMemory(
  folder: string,
  kind: 'messages' | 'boxes',
  counts: readonly number[],
): Promise<readonly MemorySample[]> {
  const samples: MemorySample[] = [];
  for (const engine of ['ram', 'journal'] as const) {
    for (const count of counts) {
      const own = join(folder, `${engine}-${kind}-${count}`);
      const text = await output(
        process.execPath,
        ['--expose-gc', program, engine, kind, String(count), own],
        timeoutMs,
      );
      const { rss, heap, boxes, ready } = JSON.parse(text) as Record<'rss' | 'heap' | 'boxes' | 'ready', number>;
      const there = kind === 'messages' ? ready : boxes;
      if (there !== count) throw new Error(`${there} of ${count} ${kind} are there`);
      samples.push({ engine, count, rssBytes: rss, heapBytes: heap });
    }
  }
  return samples;
}

/** What each of the largest count adds to a process that holds one. */
export function bytesEach(
  samples: readonly MemorySample[],
  engine: MemorySample['engine'],
  of: 'rssBytes' | 'heapBytes',
): number {
  const own = samples.filter((sample) => sample.engine === engine);
  const first = own[0]!;
  const last = own.at(-1)!;
  return (last[of] - first[of]) / (last.count - first.count);
}
