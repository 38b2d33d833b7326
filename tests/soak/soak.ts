import { join } from 'node:path';
import { Generator } from '../load/generator/generator.ts';
import type { LoadResult } from '../load/generator/plan.ts';
import { startSlowClients } from '../load/generator/slow-clients.ts';
import type { SlowState } from '../load/generator/slow-process.ts';
import { ProcessSamples } from '../load/measure/process-samples.ts';
import { LoadStage, saturate } from '../load/stage.ts';
import { ask } from '../load/target/seeding.ts';
import { describeTarget, type Target } from '../load/target/target.ts';
import { type OwnedProcess, startProcess } from '../support/child-process.ts';
import { startNodeProcess, withoutNodeSettings } from '../support/node-process.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { treeRoot } from '../support/tree-root.ts';
import { type Chores, doChores } from './chores.ts';
import { type SoakSample, takeSample } from './sampler.ts';
import { runRound } from './traffic.ts';

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly rate: number | undefined;
  readonly persist: boolean;
  say(text: string): void;
}

export interface Soaked {
  readonly samples: readonly SoakSample[];
  /** Each with the loads that ran at once. */
  readonly rounds: readonly (readonly LoadResult[])[];
  readonly chores: Chores;
  readonly slow: SlowState;
  readonly startedAtMs: number;
  readonly perSecond: number;
}

/** Passports live for an hour at most, so a long soak goes in rounds with new ones. */
const roundMinutes = 30;
const sampleMs = 10_000;
const slowSockets = 60;
const edgeStartMsMax = 20_000;

/** What is stored without a holder goes within a minute, so that memory reaches a level that it then keeps. */
const nodeArgs = [
  'storage.grace_ms=20000',
  'storage.trash_ms=10000',
  'storage.collect_every_ms=15000',
  'gateway.public_prefixes=o/',
].flatMap((setting) => ['--set', setting]);

export async function soak({ minutes, seed, rate, persist, say }: SoakOptions): Promise<Soaked> {
  using folder = tempFolder();
  await using node = await startNodeProcess({
    ...(persist ? { persist: folder.join('data') } : {}),
    args: nodeArgs,
    observed: true,
    sheds: true,
  });
  const { url, capability, pid } = node;
  const target = await describeTarget({ url, capability, pids: { node: pid }, seed }, async () => undefined);
  await holdAll(target);
  using processes = new ProcessSamples({ node: pid }, sampleMs);
  const perSecond = rate ?? (await halfOfSaturation(target, processes, seed, minutes < 5, say));
  await using edge = await startEdge(url);
  processes.watch('edge', edge.process.pid);
  using direct = new Generator();
  using edged = new Generator();
  const largeTarget = `/o/${target.seeded.objects['1 MiB'].addresses[0]}`;
  const { host, port } = target;
  using slow = startSlowClients({ host, port, capability, sockets: slowSockets, largeTarget });
  const stop = new AbortController();
  const startedAtMs = Date.now();
  const samples: SoakSample[] = [];
  const failures: unknown[] = [];
  const short = minutes < 5;
  let taken = 0;
  const sampling = setInterval(
    () => {
      const atS = (Date.now() - startedAtMs) / 1_000;
      const inside = taken % (short ? 2 : 6) === 0;
      taken += 1;
      takeSample(node, { atS, processes: processes.sample(), inside }).then(
        (sample) => samples.push(sample),
        (error: unknown) => failures.push(error),
      );
    },
    short ? 2_000 : sampleMs,
  );
  const chores = doChores({ url, capability, seeded: target.seeded }, stop.signal);
  const rounds: (readonly LoadResult[])[] = [];
  try {
    for (let left = minutes; left > 0; left -= roundMinutes) {
      const seconds = Math.min(left, roundMinutes) * 60;
      const parts = { url, edgeUrl: edge.url, capability, seeded: target.seeded, perSecond, seconds };
      rounds.push(await runRound({ ...parts, seed: seed + left }, [direct, edged]));
      say(`${minutes - left + seconds / 60} of ${minutes} min`);
    }
  } finally {
    stop.abort();
    clearInterval(sampling);
  }
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} samples failed: ${failures[0]}`);
  return { samples, rounds, chores: await chores, slow: await slow.state(), startedAtMs, perSecond };
}

/** Objects that nobody names are collected; what the load reads must stay. */
async function holdAll({ url, capability, seeded }: Target): Promise<void> {
  const all = Object.values(seeded.objects).flatMap(({ addresses }) => addresses);
  for (const [index, address] of all.entries()) {
    await ask(url, capability, 'PUT', `/name/soak/keep-${index}`, { address });
  }
}

async function halfOfSaturation(
  target: Target,
  processes: ProcessSamples,
  seed: number,
  quick: boolean,
  say: (text: string) => void,
): Promise<number> {
  const saturation = () => Promise.reject(new Error('a search does not search'));
  const rest = { arrivals: 'poisson', connectionsMax: 768, mix: 'realistic', saturation } as const;
  using stage = new LoadStage({ quick, seed, target, processes, ...rest });
  const { perSecond, limitedBy } = await saturate(stage, () => undefined);
  say(`saturation ${Math.round(perSecond)}/s, limited by the ${limitedBy}; the soak takes half of it`);
  return perSecond / 2;
}

/** The HTTP cache as a user runs it. */
async function startEdge(
  origin: string,
): Promise<{ readonly url: string; readonly process: OwnedProcess } & AsyncDisposable> {
  const command = [join(treeRoot, 'apps/ron/bin/ron.js'), 'edge', '--origin', origin, '--listen', '127.0.0.1:0'];
  const edge = startProcess(process.execPath, command, { env: withoutNodeSettings(process.env) });
  const [url] = await edge.sees(/http:\/\/127\.0\.0\.1:\d+/, edgeStartMsMax).catch(async (error) => {
    await edge.stop();
    throw error;
  });
  return { url, process: edge, [Symbol.asyncDispose]: edge.stop };
}
