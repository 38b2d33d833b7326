import { join } from 'node:path';
import type { RunOptions } from '../row.ts';
import { median } from '../row.ts';
import type { Contestant } from './contestant.ts';
import { countSyncs } from './syncs.ts';

/** A queue in the ways in which it may be run; the one that does best with so many clients takes part. */
export interface Entry {
  readonly id: string;
  readonly variants: readonly ((folder: string) => Promise<Contestant>)[];
}

export interface Standing {
  readonly id: string;
  /** What took part: the best variant. */
  readonly name: string;
  /** One for each round. */
  readonly cyclesPerSecond: readonly number[];
  readonly p50Ms: readonly number[];
  readonly p99Ms: readonly number[];
  /** Of a run apart, under strace. Undefined: strace is not installed. */
  readonly syncsPerSecond: number | undefined;
  readonly cyclesPerSync: number | undefined;
  /** False: fewer syncs than the acknowledgements need, so that it does not sync what it acknowledges. */
  readonly durable: boolean;
}

const trialSeconds = 1;
const trialTurns = 3;
const longCountSeconds = 8;
/** Of a cycle, that must be on stable storage when they are answered: the send and the acknowledgement. */
const durableSteps = 2;

/** Every contestant in every round, one after the other; then once more under strace. */
export async function measureStandings(
  entries: readonly Entry[],
  clients: number,
  { rounds, secondsPerRound, folder }: RunOptions,
): Promise<readonly Standing[]> {
  await using stack = new AsyncDisposableStack();
  const running: { readonly id: string; readonly contestant: Contestant }[] = [];
  for (const { id, variants } of entries) {
    const at = (number: number) => join(folder, `${id}-${clients}-${number}`);
    running.push({ id, contestant: stack.use(await bestOf(variants, at, clients)) });
  }
  const samples = running.map(() => ({
    cyclesPerSecond: [] as number[],
    p50Ms: [] as number[],
    p99Ms: [] as number[],
  }));
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, { contestant }] of running.entries()) {
      const { cycles, seconds, p50Ms, p99Ms } = await contestant.run(clients, secondsPerRound);
      samples[at]!.cyclesPerSecond.push(cycles / seconds);
      samples[at]!.p50Ms.push(p50Ms);
      samples[at]!.p99Ms.push(p99Ms);
    }
  }
  const standings: Standing[] = [];
  for (const [at, { id, contestant }] of running.entries()) {
    const pids = await contestant.pids();
    const count = (seconds: number) => countSyncs(folder, pids, () => contestant.run(clients, seconds));
    let { result, syncs } = await count(trialSeconds);
    // Under strace sessions may take so long to start that nothing is done in a short run.
    if (result.ran.cycles < clients) ({ result, syncs } = await count(longCountSeconds));
    if (result.ran.cycles === 0) throw new Error(`${contestant.name}: no cycle came to its end under strace`);
    const left = await contestant.left();
    if (left !== 0) throw new Error(`${contestant.name}: ${left} messages are left over`);
    standings.push({
      id,
      name: contestant.name,
      ...samples[at]!,
      syncsPerSecond: syncs === undefined ? undefined : syncs / result.ran.seconds,
      cyclesPerSync: syncs === undefined ? undefined : result.ran.cycles / syncs,
      // A client has one step in flight, so a sync covers at most one of each client.
      durable: syncs === undefined || syncs * clients >= durableSteps * result.ran.cycles,
    });
  }
  return standings;
}

/** All are tried in turns, so that what else the machine does falls on all of them; the first turn only warms them up. */
async function bestOf(
  variants: Entry['variants'],
  folder: (number: number) => string,
  clients: number,
): Promise<Contestant> {
  await using stack = new AsyncDisposableStack();
  const started: Contestant[] = [];
  for (const [number, start] of variants.entries()) started.push(stack.use(await start(folder(number))));
  const best = started.map(() => 0);
  const turns = started.length === 1 ? 1 : trialTurns;
  for (let turn = 0; turn < turns; turn += 1) {
    for (const [at, contestant] of started.entries()) {
      const { cycles, seconds } = await contestant.run(clients, trialSeconds);
      if (turn > 0 || turns === 1) best[at] = Math.max(best[at]!, cycles / seconds);
    }
  }
  const chosen = started[best.indexOf(Math.max(...best))]!;
  stack.move();
  for (const contestant of started) if (contestant !== chosen) await contestant[Symbol.asyncDispose]();
  return chosen;
}

/** `undefined` when no peer that syncs took part. */
export function bestPeer(standings: readonly Standing[], ours: readonly string[]): Standing | undefined {
  const peers = standings.filter(({ id, durable }) => durable && !ours.includes(id));
  return peers.toSorted((a, b) => median(b.cyclesPerSecond) - median(a.cyclesPerSecond))[0];
}

export function describe({
  name,
  cyclesPerSecond,
  p50Ms,
  p99Ms,
  syncsPerSecond,
  cyclesPerSync,
  durable,
}: Standing): string {
  const rate = Math.round(median(cyclesPerSecond)).toLocaleString('en-US');
  const syncs =
    syncsPerSecond === undefined
      ? 'syncs not counted'
      : `${Math.round(syncsPerSecond)} syncs/s under strace (${cyclesPerSync === Number.POSITIVE_INFINITY ? 'none for its cycles' : `${cyclesPerSync!.toFixed(2)} cycles a sync`})`;
  const mark = durable ? '' : ', DOES NOT SYNC EACH MESSAGE';
  return `${name}: ${rate} cycles/s, p50 ${median(p50Ms).toFixed(2)} ms, p99 ${median(p99Ms).toFixed(2)} ms, ${syncs}${mark}`;
}
