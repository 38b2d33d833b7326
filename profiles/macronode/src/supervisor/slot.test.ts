import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { beforeEach, expect, test } from 'vitest';
import type { Facts, StartOrder, ToProcess } from '../process/messages.ts';
import { planOf } from '../topology.ts';
import type { Exit } from './child.ts';
import { Slot, type SlotChild } from './slot.ts';

/** A process that does what the test says, at once unless `slow`. */
class Puppet implements SlotChild {
  readonly name = 'storage';
  readonly pid: number;
  readonly slow = { load: false, start: false, stop: false };
  readonly told: ToProcess[] = [];
  readonly #load = Promise.withResolvers<void>();
  readonly #exit = Promise.withResolvers<Exit>();
  readonly exited = this.#exit.promise;
  order: StartOrder | undefined;
  alive = true;

  constructor(pid: number) {
    this.pid = pid;
    this.#load.promise.catch(() => undefined);
  }

  get loaded(): Promise<void> {
    if (!this.slow.load) this.#load.resolve();
    return this.#load.promise;
  }

  async start(order: StartOrder): Promise<Facts> {
    this.order = order;
    if (!this.slow.start) return {};
    await this.exited;
    throw new Error('it ended');
  }

  pause(): Promise<void> {
    return Promise.resolve();
  }

  tell(message: ToProcess): void {
    this.told.push(message);
  }

  stop(): void {
    if (!this.slow.stop) this.end();
  }

  kill(): void {
    this.end();
  }

  end(): void {
    this.alive = false;
    this.#load.reject(new Error('it ended'));
    this.#exit.resolve({ code: 0, signal: null });
  }
}

let env: SimEnv;
let made: Puppet[];
let slot: Slot;
/** How the next ones behave. */
let slow: Partial<Puppet['slow']>;

beforeEach(() => {
  env = createSimEnv({ seed: 'slot' });
  made = [];
  slow = {};
  const plan = planOf(1).find(({ name }) => name === 'storage')!;
  const order = {
    kind: 'start',
    name: plan.name,
    role: plan.role,
    sources: {},
    dataFolder: '/d',
    runFolder: '/r',
  } as const;
  slot = new Slot({
    ...{ plan, clock: env.clock, drainMs: 1_000 },
    order: { ...order, key: '', capabilities: {}, gateways: [] },
    spawn: () => {
      const puppet = new Puppet(made.length + 1);
      Object.assign(puppet.slow, slow);
      made.push(puppet);
      return puppet;
    },
    writeLog: () => undefined,
    onChange: () => undefined,
    hold: async () => undefined,
  });
});

const alive = () => made.filter((puppet) => puppet.alive).map(({ pid }) => pid);

test.each(['load', 'start', 'stop'] as const)('a stop while a restart is at %s leaves no process', async (where) => {
  made[0]!.slow.stop = where === 'stop';
  const running = await slot.start();
  slow = { [where]: true };
  // The supervisor hears of it, and does not start what it stops.
  running.done?.catch(() => undefined);
  const restarted = slot.restart().then(
    () => 'replaced',
    () => 'refused',
  );
  await env.scheduler.runFor(10);
  await env.scheduler.settle(Promise.resolve(running[Symbol.asyncDispose]()));
  expect(await env.scheduler.settle(restarted)).toBe('refused');
  expect(alive()).toEqual([]);
});

test('a restart whose process does not load leaves the old one, and the next restart replaces it', async () => {
  const { done } = await slot.start();
  done?.catch(() => undefined);
  slow = { load: true };
  const restarted = slot.restart();
  made.at(-1)!.end();
  await expect(restarted).rejects.toThrow('it ended');
  const hanging = slot.restart();
  await expect(env.scheduler.settle(hanging)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  expect(alive()).toEqual([1]);
  slow = {};
  await slot.restart();
  expect(alive()).toEqual([4]);
});

test('who takes the place is told what changed in the file since', async () => {
  const { done } = await slot.start();
  done?.catch(() => undefined);
  slot.reload('[edge]');
  await slot.restart();
  expect(made.map(({ told }) => told)).toEqual([
    [{ kind: 'config', text: '[edge]' }],
    [{ kind: 'config', text: '[edge]' }],
  ]);
});

test('only the first one is told that a person reads what it tells', async () => {
  const { done } = await slot.start();
  done?.catch(() => undefined);
  await slot.restart();
  made.at(-1)!.end();
  await expect(Promise.resolve(done)).rejects.toThrow('ended with 0');
  (await slot.start()).done?.catch(() => undefined);
  expect(made.map(({ order }) => order?.isFirst)).toEqual([true, false, false]);
});
