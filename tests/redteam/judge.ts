import { openDescriptors, residentBytes } from '../support/node-process.ts';
import type { Observation } from '../support/observer.ts';
import { type Evidence, type Subject, Tally, type Tolerance, toleranceDefaults, withoutIds } from './attack.ts';
import type { GoodClient, Service } from './good-client.ts';
import { inflightOf, metricsOf, oneLineEach, payloadMark, refusalLines, refusalsOf, within } from './signs.ts';

/** What did not hold, by the rule of the oracle that it breaks. */
export interface Finding {
  readonly rule: 'alive' | 'served' | 'slow' | 'memory' | 'descriptors' | 'timers' | 'counted' | 'log' | 'seen';
  readonly detail: string;
}

export interface Judgement {
  readonly findings: readonly Finding[];
  readonly before: Service | undefined;
  readonly during: Service | undefined;
  /** After the attack minus before it. */
  readonly heapBytesLeft: number;
  readonly descriptorsLeft: number;
  /** The longest turn of the event loop during the attack. */
  readonly turnMs?: number;
}

const pollMs = 250;
/** Of the answers that a percentile of the time before is made of, so many are waited for during an attack. */
const askedShare = 0.4;
/** The lines of a flood are looked at in samples. */
const linesLookedAt = 3;

/** The well-behaved client of a subject. */
export function goodTargetOf({ process, path, content, headers }: Subject) {
  return { secure: process.url.startsWith('https:'), port: process.port, path, headers, expected: content };
}

/** Runs an attack between two looks at the process, while a good client uses it, and tells what did not hold. */
export async function judge(
  subject: Subject,
  good: GoodClient,
  evidence: Evidence,
  tolerance: Tolerance,
  attack: () => Promise<void>,
): Promise<Judgement> {
  const bounds = { ...toleranceDefaults, ...tolerance };
  const { process, countsPort } = subject;
  good.enter('before');
  const before = await good.report('before', bounds.asksMin);
  const was = await look(subject);
  const counts = countsPort === undefined ? undefined : await metricsOf(countsPort);
  const logged = process.stderr().length;
  await process.observe();
  good.enter('during');
  await attack().catch((error: Error) => evidence.check(false, error.message));
  const findings: Finding[] = evidence.wrong.map((detail) => ({ rule: 'seen', detail }));
  const found = (rule: Finding['rule'], detail: string) => void findings.push({ rule, detail });
  const dead = (): Judgement => {
    found('alive', `the process ended: ${process.stderr().slice(-400)}`);
    return { findings, before, during: undefined, heapBytesLeft: 0, descriptorsLeft: 0 };
  };
  if (!process.alive) return dead();
  const turnMs = (await process.observe())?.turnMsMax ?? 0;
  if (turnMs > bounds.turnMsMax) found('slow', `a turn of the event loop took ${turnMs.toFixed(0)} ms`);
  const during = await good.report('during', Math.ceil(bounds.asksMin * askedShare));
  good.enter('after');
  for (const failure of kindsOf(during.failures)) found('served', `the good client got ${failure}`);
  for (const detail of slownessOf(before, during, bounds)) found('slow', detail);
  const left = await settle(subject, was, bounds, found).catch((error: Error) => {
    // It ended while it was looked at.
    if (process.alive) throw error;
  });
  if (left === undefined) return dead();
  await judgeCounts(subject, counts, evidence, bounds.recoveryMs, found);
  await judgeLog(subject, () => process.stderr().slice(logged), evidence, bounds.recoveryMs, found);
  const after = await good.report('after', 1);
  for (const failure of kindsOf(after.failures)) found('served', `the good client got ${failure} afterwards`);
  if (!process.alive) found('alive', 'the process ended after the attack');
  return { findings, before, during, turnMs, ...left };
}

/** Against the same client before, and not for what made it slow at a server that nobody attacks too. */
export function slownessOf(
  before: Service,
  during: Service,
  { slowdownMax, shedShareMax }: Pick<Required<Tolerance>, 'slowdownMax' | 'shedShareMax'>,
): readonly string[] {
  const machine = Math.max(1, during.machineP99Ms / before.machineP99Ms);
  const bar = before.p99Ms * slowdownMax * machine;
  const numbers = `p99 ${during.p99Ms.toFixed(1)} ms, before ${before.p99Ms.toFixed(1)}, bar ${bar.toFixed(1)}`;
  const tooMany = during.shed > during.asked * shedShareMax;
  return [
    ...(during.p99Ms > bar ? [numbers] : []),
    ...(tooMany ? [`${during.shed} of ${during.asked} reads were refused for want of capacity`] : []),
  ];
}

function kindsOf(failures: readonly string[]): readonly string[] {
  const tally = new Tally();
  for (const failure of failures) tally.add(withoutIds(failure));
  return tally.lines;
}

interface Look {
  readonly observation: Observation | undefined;
  readonly descriptors: number;
  readonly residentBytes: number;
}

async function look({ process }: Subject): Promise<Look> {
  const observation = await process.observe();
  const onLinux = globalThis.process.platform === 'linux';
  return {
    observation,
    descriptors: openDescriptors(process.pid) ?? 0,
    residentBytes: onLinux ? residentBytes(process.pid) : 0,
  };
}

/** Waits until nothing of the attack is left; what is still there at the end of the time is found. */
async function settle(
  subject: Subject,
  was: Look,
  bounds: Required<Tolerance>,
  found: (rule: Finding['rule'], detail: string) => void,
): Promise<{ readonly heapBytesLeft: number; readonly descriptorsLeft: number }> {
  const until = performance.now() + bounds.recoveryMs;
  for (;;) {
    const now = await look(subject);
    const heapBytesLeft = (now.observation?.heapBytes ?? 0) - (was.observation?.heapBytes ?? 0);
    const descriptorsLeft = now.descriptors - was.descriptors;
    const residentLeft = now.residentBytes - was.residentBytes;
    const more = moreResources(was.observation, now.observation, 1 + bounds.descriptorsMax);
    const { countsPort } = subject;
    const inflight = countsPort === undefined ? 0 : inflightOf(await metricsOf(countsPort));
    const calm = descriptorsLeft <= bounds.descriptorsMax && more.length === 0 && inflight === 0;
    const small = heapBytesLeft <= bounds.heapBytesMax && residentLeft <= bounds.residentBytesMax;
    if ((calm && small) || performance.now() > until) {
      if (descriptorsLeft > bounds.descriptorsMax) found('descriptors', `${descriptorsLeft} more than before`);
      if (more.length > 0) found('timers', `more than before: ${more.join(', ')}`);
      if (inflight > 0) found('timers', `${inflight} calls are still in flight`);
      if (heapBytesLeft > bounds.heapBytesMax) found('memory', `${mib(heapBytesLeft)} more heap than before`);
      if (residentLeft > bounds.residentBytesMax) found('memory', `${mib(residentLeft)} more resident than before`);
      return { heapBytesLeft, descriptorsLeft };
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function moreResources(was: Observation | undefined, now: Observation | undefined, moreMax: number): string[] {
  return Object.entries(now?.resources ?? {}).flatMap(([kind, count]) => {
    const more = count - (was?.resources[kind] ?? 0);
    // One timer more or less is the time of day.
    return more > moreMax ? [`${kind} + ${more}`] : [];
  });
}

const mib = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;

async function judgeCounts(
  { countsPort }: Subject,
  before: ReadonlyMap<string, number> | undefined,
  evidence: Evidence,
  withinMs: number,
  found: (rule: Finding['rule'], detail: string) => void,
): Promise<void> {
  if (countsPort === undefined || before === undefined) return;
  for (const label of evidence.labels) {
    const rose = async () => refusalsOf(await metricsOf(countsPort), label) > refusalsOf(before, label);
    if (!(await within(withinMs, rose))) found('counted', `no counter with "${label}" went up`);
  }
}

async function judgeLog(
  { process, logs }: Subject,
  log: () => string,
  evidence: Evidence,
  withinMs: number,
  found: (rule: Finding['rule'], detail: string) => void,
): Promise<void> {
  if (!logs) return;
  for (const corrId of evidence.corrIds.slice(-linesLookedAt)) {
    const lines = () => refusalLines(log(), corrId);
    const told = await within(withinMs, () => lines().every(isStructured) && oneLineEach(lines()));
    if (!told) found('log', `not one line of each service for ${corrId}: ${JSON.stringify(lines()).slice(0, 400)}`);
  }
  const loose = log()
    .split('\n')
    .find((line) => line !== '' && !isStructured(line));
  if (loose !== undefined) found('log', `a line without structure: ${loose.slice(0, 200)}`);
  const shown = log().indexOf(payloadMark);
  if (shown >= 0) found('log', `the log has the payload: ${log().slice(Math.max(0, shown - 200), shown + 60)}`);
  if (log().includes(process.capability)) found('log', 'the log has the capability');
}

function isStructured(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
