import { SimWorld } from '@ron/kernel/sim';
import { checkHistory } from '../../contract/engines/mailbox-history.ts';
import type { SeedOptions as Options } from '../campaign.ts';
import { describe } from '../run-seed.ts';
import { Violation } from '../violation.ts';
import type { Canary } from './canaries.ts';
import { consume } from './consumer.ts';
import { limits, Machine } from './machine.ts';
import { Nemesis } from './nemesis.ts';
import { operate } from './operator.ts';
import { produce } from './producer.ts';
import { boxes, Recorder } from './recorder.ts';
import { type Sighting, Sightings } from './sightings.ts';

export type SeedOptions = Options<Canary>;

/** Plain data: it travels between threads. */
export interface SeedResult {
  readonly seed: number;
  readonly traceHash: string;
  readonly operations: number;
  readonly virtualMs: number;
  readonly sightings: readonly (readonly [Sighting, number])[];
  /** What was found; undefined when every promise held. */
  readonly failure: { readonly message: string; readonly detail: string } | undefined;
}

const dayMs = 86_400_000;
const messagesOfAll = 36;

/** One seed from an empty disk to the check of its history. Everything in it follows from the seed. */
export async function runSeed({ seed, canary, trace }: SeedOptions): Promise<SeedResult> {
  const world = new SimWorld({ seed: `mailbox ${seed}` });
  const sightings = new Sightings();
  const machine = new Machine(world, canary, sightings);
  const recorder = new Recorder(world, machine, sightings, trace);
  let failure: Error | undefined;
  const late = (error: unknown) => {
    failure ??= new Error('an error that nobody handled', { cause: error });
  };
  process.on('unhandledRejection', late);
  try {
    await world.scheduler.settle(story(recorder), dayMs);
    check(recorder);
  } catch (error) {
    failure ??= error instanceof Error ? error : new Error(String(error));
  } finally {
    process.off('unhandledRejection', late);
  }
  for (const [fault, times] of machine.env.machineDisk.faults.fired) {
    if (fault !== 'error' && fault !== 'flipped_bit' && fault !== 'lost_entry') sightings.note(fault, times);
  }
  return {
    seed,
    traceHash: world.traceHash,
    operations: machine.calls,
    virtualMs: world.scheduler.nowMs,
    sightings: [...sightings.counts],
    failure: failure === undefined ? undefined : { message: failure.message, detail: describe(failure) },
  };
}

async function story(recorder: Recorder): Promise<void> {
  const { machine } = recorder;
  const nemesis = new Nemesis(recorder);
  await nemesis.start(0);
  const random = recorder.world.random.fork('story');
  const producers = 1 + random.integer(3);
  const consumers = 1 + random.integer(4);
  const share = Math.ceil(messagesOfAll / producers);
  const sending = Array.from({ length: producers }, (_, index) => produce(recorder, `p${index}`, share));
  const working = Array.from({ length: consumers }, (_, index) => consume(recorder, `consumer-${index}`));
  const breaking = nemesis.run();
  const operating = operate(recorder);
  const sent = Promise.all(sending).then(async () => {
    // The workers get time for what is left, and leave some of it.
    await machine.sleep(5_000 + random.unit() * 10_000);
    recorder.over = true;
  });
  await Promise.all([sent, breaking, operating, ...working]);
  await nemesis.last();
  await lookBack(recorder);
}

/** Reads everything that is left. */
async function lookBack(recorder: Recorder): Promise<void> {
  const alive = new Set<string>();
  const dead = new Set<string>();
  for (const box of boxes) {
    const key = { tenant: 't', box };
    const peeked = await recorder.machine.ask('peek', (engine) => engine.peek(key, { order: 0, id: '' }, 10_000));
    const letters = await recorder.machine.ask('dead', (engine) => engine.deadLetters(key, undefined, 10_000));
    if (typeof peeked === 'string' || typeof letters === 'string') throw new Violation(`${box} cannot be read`);
    for (const message of peeked.answer.items) {
      recorder.checkContent(message);
      alive.add(message.id);
    }
    for (const { id, content, cause } of letters.answer?.items ?? []) {
      if (content !== undefined) recorder.checkContent({ id, content });
      if (cause === 'damaged' && !recorder.isAcknowledged(id)) continue;
      const { fired } = recorder.machine.env.machineDisk.faults;
      if (cause === 'damaged' && !fired.has('error')) throw new Violation(`${id} is damaged from nowhere`);
      dead.add(id);
    }
  }
  recorder.add({ op: 'remains', atMs: recorder.nowMs, alive, dead });
  noteUnknown(recorder, new Set([...alive, ...dead]));
}

/** What became of those whose answer was lost. */
function noteUnknown({ history, sightings }: Recorder, remains: ReadonlySet<string>): void {
  const delivered = new Set(history.flatMap((one) => (one.op === 'receive' ? one.grants.map(({ id }) => id) : [])));
  for (const one of history) {
    if (one.op === 'send' && one.respondedMs === undefined) {
      const kept = remains.has(one.id) || delivered.has(one.id);
      sightings.note(kept ? 'send of unknown outcome kept' : 'send of unknown outcome lost');
    } else if (one.op === 'send' && one.answer?.id === one.id && !remains.has(one.id)) {
      const acked = history.some((other) => other.op === 'ack' && other.id === one.id && other.ok !== false);
      if (one.ttlMs < limits.retentionMs && !one.deadOnExpiry && !acked) sightings.note('expired');
    } else if (one.op === 'ack' && one.ok === undefined && !remains.has(one.id)) {
      sightings.note('ack of unknown outcome kept');
    }
  }
}

function check({ history }: Recorder): void {
  const found = checkHistory(history, limits);
  if (found.length === 0) return;
  throw new Violation(found.map(({ rule, detail }) => `${rule}: ${detail}`).join('\n'));
}
