import type { Log } from '@ron/kernel';
import { SimWorld } from '@ron/kernel/sim';
import type { Canary } from './args.ts';
import type { SeedOptions as Options } from './campaign.ts';
import { runClient } from './client.ts';
import { Machine } from './machine.ts';
import { Nemesis } from './nemesis.ts';
import { Session } from './session.ts';
import { type Sighting, Sightings } from './sightings.ts';

export type SeedOptions = Options<Canary>;

/** Plain data: it travels between threads. */
export interface SeedResult {
  readonly seed: number;
  readonly traceHash: string;
  readonly requests: number;
  readonly virtualMs: number;
  readonly events: number;
  readonly sightings: readonly (readonly [Sighting, number])[];
  /** What was found; undefined when every promise held. */
  readonly failure: { readonly message: string; readonly detail: string } | undefined;
}

const dayMs = 86_400_000;
const asksOfAll = 200;

/** One seed from an empty disk to the last audit. Everything in it follows from the seed. */
export async function runSeed({ seed, canary, trace }: SeedOptions): Promise<SeedResult> {
  const world = new SimWorld({ seed });
  const sightings = new Sightings();
  const machine = new Machine(world, canary, traceLog(trace));
  const session = new Session(world, machine, sightings, trace);
  let failure: Error | undefined;
  const late = (error: unknown) => {
    failure ??= new Error('an error that nobody handled', { cause: error });
  };
  process.on('unhandledRejection', late);
  try {
    await world.scheduler.settle(story(session), dayMs);
  } catch (error) {
    failure ??= error instanceof Error ? error : new Error(String(error));
  } finally {
    process.off('unhandledRejection', late);
  }
  const { fired } = machine.env.machineDisk.faults;
  for (const [fault, times] of fired) if (fault !== 'error') sightings.note(fault as Sighting, times);
  return {
    seed,
    traceHash: world.traceHash,
    requests: machine.requests,
    virtualMs: world.scheduler.nowMs,
    events: world.scheduler.steps,
    sightings: [...sightings.counts],
    failure: failure === undefined ? undefined : { message: failure.message, detail: describe(failure) },
  };
}

async function story(session: Session): Promise<void> {
  const nemesis = new Nemesis(session);
  await nemesis.start();
  const random = session.world.random.fork('story');
  const clients = 2 + random.integer(6);
  const asks = Math.ceil(asksOfAll / clients);
  let done = false;
  const running = Array.from({ length: clients }, (_, index) => runClient(session, `client-${index}`, asks));
  const work = Promise.all(running).finally(() => {
    done = true;
    session.endOfTurns();
  });
  await Promise.all([work, nemesis.run(() => done)]);
  // The last word: a power cut, a start, and every object read whole.
  session.shut();
  await session.machine.crash('power cut');
  await nemesis.start(1);
}

function traceLog(trace: ((line: string) => void) | undefined): Log {
  if (trace === undefined) return silentLog;
  const at = (level: string, bound: object): Log['info'] => {
    return (fields, message) => trace(`${level} ${message} ${JSON.stringify({ ...bound, ...plain(fields) })}`);
  };
  const make = (bound: object): Log => ({
    debug: at('debug', bound),
    info: at('info', bound),
    warn: at('warn', bound),
    error: at('error', bound),
    child: (fields) => make({ ...bound, ...fields }),
  });
  return make({});
}

const silent = () => undefined;
const silentLog: Log = { debug: silent, info: silent, warn: silent, error: silent, child: () => silentLog };

/** Errors in log fields as text. */
function plain(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? describe(value) : value]),
  );
}

export function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `\n  because ${describe(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
