import { startInProcess } from '../mailbox/in-process.ts';
import { bytesEach, measureMemory } from '../mailbox/memory.ts';
import { startHttp, startOap } from '../mailbox/our-node.ts';
import { installedPeers } from '../mailbox/peers.ts';
import { bestPeer, describe, type Entry, measureStandings, type Standing } from '../mailbox/standings.ts';
import type { Measured, Row, RunOptions } from '../row.ts';

const ours = ['oap', 'in-process', 'http'];

const ourEntries: readonly Entry[] = [
  { id: 'in-process', variants: [startInProcess] },
  { id: 'oap', variants: [64, 8].map((clientsPerLink) => (folder: string) => startOap(folder, { clientsPerLink })) },
  { id: 'http', variants: [startHttp] },
];

/** The rows of one number of clients look at one measurement: each of them would come to other rounds. */
const measured = new Map<number, Promise<readonly Standing[]>>();

function standingsOf(clients: number, options: RunOptions): Promise<readonly Standing[]> {
  const present = measured.get(clients);
  if (present !== undefined) return present;
  const made = (async () => {
    const standings = await measureStandings([...(await installedPeers()), ...ourEntries], clients, options);
    for (const standing of standings) console.error(`  ${clients} clients, ${describe(standing)}`);
    return standings;
  })();
  measured.set(clients, made);
  return made;
}

interface View {
  readonly suffix: string;
  readonly job: string;
  readonly bar: number | undefined;
  readonly of: string;
  readonly value: 'cyclesPerSecond' | 'p99Ms';
}

const views: readonly View[] = [
  { suffix: '', job: 'over OAP', bar: 1, of: 'oap', value: 'cyclesPerSecond' },
  { suffix: '-in-process', job: 'in process', bar: 2, of: 'in-process', value: 'cyclesPerSecond' },
  { suffix: '-p99', job: 'over OAP, p99 of a cycle', bar: 1, of: 'oap', value: 'p99Ms' },
];

function rowOf(clients: number, { suffix, job, bar, of, value }: View): Row {
  return {
    id: `mailbox-${clients}${suffix}`,
    job: `mailbox send, receive, ack, durable, 128 B, ${clients} client(s), ${job}`,
    anchor: 'the best queue that syncs each message',
    // The bars are set at 64 clients.
    bar: clients === 64 ? bar : undefined,
    needs: [],
    async run(options): Promise<Measured> {
      const standings = await standingsOf(clients, options);
      const own = standings.find(({ id }) => id === of)!;
      const peer = bestPeer(standings, ours);
      const shown = suffix === '' ? standings : [own, ...(peer === undefined ? [] : [peer])];
      return {
        unit: value === 'p99Ms' ? 'ms' : 'cycles/s',
        ours: own[value],
        anchor: peer?.[value] ?? [],
        higherIsBetter: value !== 'p99Ms',
        evidence: shown.map(describe).join('; '),
      };
    },
  };
}

function memoryRow(kind: 'messages' | 'boxes'): Row {
  return {
    id: `mailbox-memory-${kind}`,
    job:
      kind === 'messages' ? 'mailbox memory of a message of 128 B, journal' : 'mailbox memory of an idle box, journal',
    anchor: '',
    bar: undefined,
    needs: [],
    async run({ secondsPerRound, folder }) {
      // A quick run only shows that it works.
      const counts = secondsPerRound < 2 ? [1, 10_000] : [1, 10_000, 1_000_000];
      const samples = await measureMemory(folder, kind, counts);
      const megabytes = samples.map(
        ({ engine, count, rssBytes }) =>
          `${engine} with ${count.toLocaleString('en-US')}: ${(rssBytes / 1e6).toFixed(0)} MB`,
      );
      const heap = (['ram', 'journal'] as const).map(
        (engine) =>
          `${engine}: ${bytesEach(samples, engine, 'rssBytes').toFixed(0)} B of RSS, ${bytesEach(samples, engine, 'heapBytes').toFixed(0)} B of heap each`,
      );
      return {
        unit: 'bytes',
        ours: [bytesEach(samples, 'journal', 'rssBytes')],
        anchor: [],
        higherIsBetter: false,
        evidence: [...heap, ...megabytes].join('; '),
      };
    },
  };
}

export const mailboxRows: readonly Row[] = [
  ...[1, 32, 64, 256].flatMap((clients) => views.map((view) => rowOf(clients, view))),
  memoryRow('messages'),
  memoryRow('boxes'),
];
