import { ask, type RawReply } from './raw-http.ts';

/** What every secret and every payload of these tests contains, so that a log line that shows one is seen. */
export const payloadMark = 'PAYLOAD-MARK-7f3a';

export interface Envelope {
  readonly code: string;
  readonly message: string;
  readonly corr_id: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export type Samples = ReadonlyMap<string, number>;

export async function metricsOf(port: number): Promise<Samples> {
  const { body } = await ask(port, { target: '/metrics' });
  const samples = new Map<string, number>();
  for (const line of body.toString().split('\n')) {
    const match = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line);
    if (match !== null) samples.set(match[1]!, Number(match[2]));
  }
  return samples;
}

/** Refusals with this reason or code, whichever service counted them. */
export function refusalsOf(samples: Samples, label: string): number {
  let sum = 0;
  for (const [name, value] of samples) {
    const counts = name.startsWith('rejected_total{') || name.startsWith('requests_total{');
    if (counts && (name.includes(`reason="${label}"`) || name.includes(`code="${label}"`))) sum += value;
  }
  return sum;
}

/** Without the node's own question for revocations, which waits all the time. */
export function inflightOf(samples: Samples): number {
  const ofCallers = (name: string) => name.startsWith('inflight{') && name !== 'inflight{service="passport"}';
  return [...samples].filter(([name]) => ofCallers(name)).reduce((sum, [, value]) => sum + value, 0);
}

export function envelopeOf(reply: RawReply): Envelope {
  return JSON.parse(reply.body.toString());
}

/** Log lines about one request that was refused: one of each service that it went through. */
export function refusalLines(log: string, corrId: string): string[] {
  return log.split('\n').filter((line) => line.includes(corrId) && /refused|failed/.test(line));
}

/** A call that went through two services is refused by both, once each. */
export function oneLineEach(lines: readonly string[]): boolean {
  const services = lines.map((line) => (JSON.parse(line) as { service?: string }).service);
  return lines.length > 0 && new Set(services).size === lines.length;
}

/** Only ends a wait for what will not come: on a busy machine everything else may take its time. */
const patienceMs = 40_000;

/** Waits for what comes by itself, and fails with what was seen instead. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  { what, seen }: { what: string; seen?: () => unknown },
): Promise<void> {
  if (!(await within(patienceMs, holds))) throw new Error(`expected that ${what}; saw ${JSON.stringify(seen?.())}`);
}

/** False when it did not come in time. */
export async function within(ms: number, holds: () => boolean | Promise<boolean>): Promise<boolean> {
  const until = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > until) return false;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  return true;
}
