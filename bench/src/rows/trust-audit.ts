import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AuditLog, createRamAuditLog, openDiskAuditLog } from '@ron/audit';
import { createRealEnv } from '@ron/kernel/real';
import { createRamKms } from '@ron/kms';
import { auditEntryOf } from '../audit-entry.ts';
import { countSyncs } from '../mailbox/syncs.ts';
import { output } from '../processes.ts';
import { type Measured, median, type Row, type RunOptions, spread } from '../row.ts';

const origin = 'bench.example/audit';
const countedMs = 500;

interface Fill {
  readonly appended: number;
  readonly seconds: number;
}

/** So many callers, each of which appends its next entry when the one before is durable. */
async function append(log: AuditLog, callers: number, ms: number, latencies: number[]): Promise<Fill> {
  const began = performance.now();
  let appended = 0;
  const caller = async () => {
    for (let from = performance.now(); from < began + ms; from = performance.now()) {
      await log.record(auditEntryOf(log.size + appended));
      latencies.push(performance.now() - from);
      appended += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { appended, seconds: (performance.now() - began) / 1_000 };
}

type Kind = 'disk' | 'ram';

async function measure(
  kind: Kind,
  callers: number,
  { rounds, secondsPerRound, folder }: RunOptions,
): Promise<Measured> {
  const env = createRealEnv({ root: folder });
  await using kms = createRamKms(env);
  await using log =
    kind === 'disk'
      ? await openDiskAuditLog({ env, kms, origin, folder: 'audit' })
      : await createRamAuditLog({ env, kms, origin });
  await append(log, callers, countedMs, []);
  const latencies: number[] = [];
  const ours: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const { appended, seconds } = await append(log, callers, secondsPerRound * 1_000, latencies);
    ours.push(appended / seconds);
  }
  const before = log.size;
  const counted =
    kind === 'disk' ? await countSyncs(folder, [process.pid], () => append(log, callers, countedMs, [])) : undefined;
  const evidence = [
    `${log.durability}, ${before} entries`,
    spread(latencies, 'ms'),
    ...(counted === undefined ? [] : [syncsOf(counted.syncs, counted.result.appended)]),
  ];
  return { unit: 'entries/s', ours, anchor: [], higherIsBetter: true, evidence: evidence.join('; ') };
}

function syncsOf(syncs: number | undefined, appended: number): string {
  if (syncs === undefined) return 'syncs not counted: no strace';
  // An entry is acknowledged by the sync of its batch: none without one.
  if (syncs === 0) throw new Error('nothing was synced');
  return `apart under strace: ${syncs} syncs for ${appended} entries, ${(appended / syncs).toFixed(1)} each`;
}

const appendRows: readonly Row[] = [
  { id: 'disk-64', job: 'durable, 64 callers', kind: 'disk' as const, callers: 64, limit: 5_000 },
  { id: 'disk-1', job: 'durable, 1 caller', kind: 'disk' as const, callers: 1, limit: undefined },
  { id: 'ram-64', job: 'in RAM, 64 callers', kind: 'ram' as const, callers: 64, limit: undefined },
].map(({ id, job, kind, callers, limit }) => ({
  id: `trust-audit-${id}`,
  job: `audit append, ${job}`,
  anchor: '',
  bar: undefined,
  ...(limit === undefined ? {} : { limit }),
  needs: [],
  run: (options: RunOptions) => measure(kind, callers, options),
}));

const program = fileURLToPath(new URL('../audit-growth-process.ts', import.meta.url));

/** A process that fills and another that opens, so that neither's memory is in the other's. */
const growthRow: Row = {
  id: 'trust-audit-growth',
  job: 'audit append, durable, 64 callers, the log already having 1,000,000 entries',
  anchor: '',
  bar: undefined,
  limit: 5_000,
  needs: [],
  async run({ secondsPerRound, folder }) {
    // A quick run only shows that it works.
    const counts = secondsPerRound < 2 ? [0, 10_000] : [0, 10_000, 100_000, 1_000_000];
    const own = join(folder, 'growth');
    const run = async (task: string, count: number) => {
      const text = await output(process.execPath, [program, task, String(count), own], 900_000);
      return JSON.parse(text) as Record<
        'perSecond' | 'cpuUs' | 'openMs' | 'heap' | 'rss' | 'size' | 'diskBytes',
        number
      >;
    };
    const told: string[] = [];
    let perSecond = Number.NaN;
    for (const count of counts) {
      await run('fill', count);
      const opened = [await run('open', count), await run('open', count), await run('open', count)];
      const middle = (of: keyof (typeof opened)[number]) => median(opened.map((each) => each[of]));
      if (middle('size') < count) throw new Error(`${middle('size')} of ${count} entries are there`);
      const appending = await run('append', count);
      ({ perSecond } = appending);
      told.push(
        `${count}: ${perSecond.toFixed(0)}/s, ${appending.cpuUs.toFixed(0)} µs of processor each, open ${middle('openMs').toFixed(0)} ms, heap ${(middle('heap') / 1e6).toFixed(1)} MB, RSS ${(middle('rss') / 1e6).toFixed(0)} MB, disk ${(middle('diskBytes') / 1e6).toFixed(0)} MB`,
      );
    }
    return { unit: 'entries/s', ours: [perSecond], anchor: [], higherIsBetter: true, evidence: told.join('; ') };
  },
};

export const trustAuditRows: readonly Row[] = [...appendRows, growthRow];
