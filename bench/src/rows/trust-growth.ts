import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { output } from '../processes.ts';
import { median, type Row } from '../row.ts';

const program = fileURLToPath(new URL('../table-growth-process.ts', import.meta.url));

interface GrowthCase {
  readonly id: 'passports' | 'registry';
  readonly job: string;
  readonly counts: readonly number[];
}

const cases: readonly GrowthCase[] = [
  {
    id: 'passports',
    job: 'passports: memory of each family with a subject of its own, durable',
    counts: [0, 1_000, 10_000, 50_000],
  },
  { id: 'registry', job: 'registry: memory of each descriptor, durable', counts: [1, 100, 1_000, 9_999] },
];

type Sample = Record<'openMs' | 'heap' | 'rss' | 'count' | 'changeMs', number>;

export const trustGrowthRows: readonly Row[] = cases.map(({ id, job, counts }) => ({
  id: `trust-growth-${id}`,
  job,
  anchor: '',
  bar: undefined,
  needs: [],
  async run({ secondsPerRound, folder }) {
    // A quick run only shows that it works.
    const sizes = secondsPerRound < 2 ? counts.slice(0, 2) : counts;
    const samples: Sample[] = [];
    for (const size of sizes) {
      const own = join(folder, `${id}-${size}`);
      const run = async (task: string) =>
        JSON.parse(await output(process.execPath, [program, id, task, String(size), own], 900_000)) as Sample;
      const { changeMs } = await run('fill');
      const opened = [await run('open'), await run('open'), await run('open')];
      const middle = (of: keyof Sample) => median(opened.map((each) => each[of]));
      if (middle('count') !== size) throw new Error(`${middle('count')} of ${size} are there`);
      samples.push({ openMs: middle('openMs'), heap: middle('heap'), rss: middle('rss'), count: size, changeMs });
    }
    const [first, last] = [samples[0]!, samples.at(-1)!];
    const each = (last.heap - first.heap) / last.count;
    const told = samples.map(
      ({ count, openMs, heap, rss, changeMs }) =>
        `${count}: open ${openMs.toFixed(0)} ms, one change ${changeMs.toFixed(1)} ms, heap ${(heap / 1e6).toFixed(1)} MB, RSS ${(rss / 1e6).toFixed(0)} MB`,
    );
    return { unit: 'bytes', ours: [each], anchor: [], higherIsBetter: false, evidence: told.join('; ') };
  },
}));
