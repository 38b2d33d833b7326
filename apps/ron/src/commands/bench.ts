import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { usageError } from '../cli-error.ts';
import { formatBytes } from '../output/format.ts';
import { renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';
import { parseByteCount } from '../values/byte-count.ts';

interface BenchFlags {
  readonly seconds: string;
  readonly clients: string;
  readonly size?: readonly string[];
}

/** Sizes of objects: control traffic, one group of the tree, a photo, a film's piece. */
const usualSizes = [1_024, 64 * 1_024, 1_024 * 1_024, 16 * 1_024 * 1_024];
/** Bytes that one row may store, so that a node in RAM is not filled up. */
const rowBytesMax = 256 * 1_024 * 1_024;
const clientsMax = 64;
const secondsMin = 0.1;
const secondsMax = 60;

interface Row {
  readonly job: string;
  readonly size: number;
  readonly calls: number;
  readonly per_second: number;
  readonly bytes_per_second: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

/**
 * What one process of this machine gets: this side's hashing and verification are in the numbers, on the node's own
 * machine both sides share its cores, and a short run says nothing about a long one.
 */
export async function runBench(session: Session, _args: string[], flags: BenchFlags): Promise<undefined> {
  const { output, signal } = session;
  const seconds = secondsOf(flags.seconds);
  const sizes = flags.size?.map(parseByteCount) ?? usualSizes;
  const clients = clientsOf(flags.clients);
  output.note(
    `Against ${session.settings.url.value}, ${clients} calls at once, up to ${seconds} s a row. One client process; its hashing\n` +
      'and verification are included. Each put is new random content, left to garbage collection: ron gc.',
  );
  const rows: Row[] = [];
  for (const size of sizes) {
    const stored: string[] = [];
    rows.push(await measure('put', { size, seconds, clients, signal }, () => putOne(session, size, stored)));
    rows.push(await measure('get', { size, seconds, clients, signal }, (call) => getOne(session, stored, call)));
  }
  if (output.json) for (const row of rows) output.result(row, () => '');
  else output.stdout.write(`${render(rows)}\n`);
  return undefined;
}

async function putOne({ client, signal }: Session, size: number, stored: string[]): Promise<void> {
  const content = randomFillSync(new Uint8Array(size));
  const { address } = await client.blobs.put(content, { signal, assumeMissing: true });
  stored.push(address);
}

async function getOne({ client, signal }: Session, stored: readonly string[], call: number): Promise<void> {
  const reply = await client.blobs.get(stored[call % stored.length]!, { signal });
  for await (const _piece of reply.stream) signal.throwIfAborted();
}

interface Plan {
  readonly size: number;
  readonly seconds: number;
  readonly clients: number;
  readonly signal: AbortSignal;
}

async function measure(job: string, plan: Plan, once: (call: number) => Promise<void>): Promise<Row> {
  const { size, seconds, clients, signal } = plan;
  const callsMax = Math.max(clients, Math.floor(rowBytesMax / Math.max(1, size)));
  const tookMs: number[] = [];
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1_000;
  let begun = 0;
  const worker = async () => {
    while (performance.now() < endMs && begun < callsMax) {
      signal.throwIfAborted();
      const call = begun++;
      const callMs = performance.now();
      await once(call);
      tookMs.push(performance.now() - callMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, worker));
  const elapsed = (performance.now() - startedMs) / 1_000;
  tookMs.sort((left, right) => left - right);
  const calls = tookMs.length;
  return {
    job,
    size,
    calls,
    per_second: calls / elapsed,
    bytes_per_second: (calls * size) / elapsed,
    p50_ms: quantile(tookMs, 0.5),
    p99_ms: quantile(tookMs, 0.99),
  };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function render(rows: readonly Row[]): string {
  const right = (title: string) => ({ title, align: 'right' as const });
  const columns = [
    { title: 'job' },
    right('size'),
    right('calls'),
    right('/s'),
    right('bytes/s'),
    right('p50'),
    right('p99'),
  ];
  return renderTable(
    columns,
    rows.map((row) => [
      row.job,
      formatBytes(row.size),
      String(row.calls),
      row.per_second.toFixed(0),
      formatBytes(Math.round(row.bytes_per_second)),
      `${row.p50_ms.toFixed(2)} ms`,
      `${row.p99_ms.toFixed(2)} ms`,
    ]),
  );
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (seconds >= secondsMin && seconds <= secondsMax) return seconds;
  throw usageError(`--seconds is a number from ${secondsMin} to ${secondsMax}`, 'ron bench --help');
}

function clientsOf(text: string): number {
  const clients = Number(text);
  if (Number.isInteger(clients) && clients >= 1 && clients <= clientsMax) return clients;
  throw usageError(`--clients is a whole number from 1 to ${clientsMax}`, 'ron bench --help');
}
