import { createBus, type KernelEvent } from '@ron/bus';
import { createMetrics } from '@ron/metrics';
import { beforeEach, describe, expect, test } from 'vitest';
import { backoffMaxMs, fullJitterMs } from './backoff.ts';
import { createHealth, type HealthState } from './health.ts';
import type { KernelBus } from './kernel-bus.ts';
import { createSimEnv, type SimEnv } from './sim/world.ts';
import { createSupervisor, type Running, type ServiceSpec, type Supervisor } from './supervisor.ts';

let env: SimEnv;
let bus: KernelBus;
let health: HealthState;
let supervisor: Supervisor;
const metrics = createMetrics();
let events: KernelEvent[];
let log: string[];

beforeEach(() => {
  env = createSimEnv({ seed: 'supervisor' });
  bus = createBus<KernelEvent>();
  health = createHealth(bus, createMetrics());
  supervisor = createSupervisor({ clock: env.clock, random: env.random, bus, health, metrics });
  events = [];
  log = [];
  bus.onEvent((event) => events.push(event));
});

/** A service whose crashes the test decides. */
class Puppet implements ServiceSpec {
  readonly name: string;
  starts = 0;
  failStarts = false;
  stopHangs = false;
  crash!: (reason: unknown) => void;
  finish!: () => void;

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<Running> {
    this.starts++;
    log.push(`start ${this.name}`);
    if (this.failStarts) throw new Error('cannot start');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.crash = reject;
    this.finish = resolve;
    return {
      done: promise,
      [Symbol.asyncDispose]: async () => {
        log.push(`stop ${this.name}`);
        if (this.stopHangs) await new Promise(() => undefined);
      },
    };
  }
}

const crashes = () => events.filter((event) => event.type === 'ServiceCrashed');
const stateOf = (name: string) => supervisor.status.find((status) => status.service === name);

describe('order', () => {
  test('services start in order and stop in reverse, and readiness follows', async () => {
    await supervisor.supervise(new Puppet('a'));
    await supervisor.supervise(new Puppet('b'));
    expect(health.ready).toBe(true);
    await supervisor.stop();
    await supervisor.stop();
    expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a']);
    expect(health.ready).toBe(false);
    expect(events.filter((event) => event.type === 'Shutdown')).toHaveLength(1);
    await expect(supervisor.supervise(new Puppet('c'))).rejects.toThrow('stopped');
  });

  test('a stop that hangs is left behind at its deadline', async () => {
    const hanging = new Puppet('hanging');
    hanging.stopHangs = true;
    await supervisor.supervise(new Puppet('first'));
    await supervisor.supervise({ name: 'hanging', start: () => hanging.start(), stopDeadlineMs: 500 });
    await env.scheduler.settle(supervisor.stop());
    expect(env.clock.monotonicMs()).toBe(500);
    expect(log.at(-1)).toBe('stop first');
  });

  test('a first start that fails or takes too long rejects and leaves nothing behind', async () => {
    const broken = new Puppet('broken');
    broken.failStarts = true;
    await expect(supervisor.supervise(broken)).rejects.toThrow('cannot start');
    let late: (running: Running) => void = () => undefined;
    let aborted = false;
    const slow: ServiceSpec = {
      name: 'slow',
      startDeadlineMs: 100,
      start: (signal) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise((resolve) => {
          late = resolve;
        });
      },
    };
    await expect(env.scheduler.settle(supervisor.supervise(slow))).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(aborted).toBe(true);
    late({ [Symbol.asyncDispose]: async () => void log.push('late one disposed') });
    await env.scheduler.runUntilIdle();
    expect(log.at(-1)).toBe('late one disposed');
    expect(supervisor.status).toEqual([]);
    expect(health.gates).toEqual([]);
  });

  test('a name is supervised once', async () => {
    await supervisor.supervise(new Puppet('a'));
    await expect(supervisor.supervise(new Puppet('a'))).rejects.toThrow('already');
  });
});

describe('crashes', () => {
  test('a crash is published with its reason, cleaned up and followed by a restart within the backoff', async () => {
    const puppet = new Puppet('index');
    await supervisor.supervise(puppet);
    puppet.crash(new Error('out of luck'));
    await env.scheduler.runFor(0);
    expect(crashes()).toEqual([{ type: 'ServiceCrashed', service: 'index', reason: 'out of luck' }]);
    expect(health.gates).toEqual([{ gate: 'service:index', ok: false, reason: 'crashed: out of luck' }]);
    expect(log).toEqual(['start index', 'stop index']);
    await env.scheduler.runFor(100);
    expect(puppet.starts).toBe(2);
    expect(health.ready).toBe(true);
    expect(stateOf('index')).toMatchObject({ state: 'running', restarts: 1, reason: 'out of luck' });
    expect(metrics.read('service_restarts_total', { service: 'index' })).toBe(1);
  });

  test('a clean exit is no crash', async () => {
    const puppet = new Puppet('job');
    await supervisor.supervise(puppet);
    puppet.finish();
    await env.scheduler.runFor(120_000);
    expect(puppet.starts).toBe(1);
    expect(crashes()).toEqual([]);
    expect(stateOf('job')?.state).toBe('finished');
    expect(health.ready).toBe(true);
  });

  async function crashUntilQuarantine(puppet: Puppet): Promise<void> {
    for (let i = 0; i < 6; i++) {
      puppet.crash(new Error(`crash ${i}`));
      await env.scheduler.runFor(5000);
    }
  }

  test('five restarts in a minute, then quarantine until it is released', async () => {
    const puppet = new Puppet('storage');
    await supervisor.supervise(puppet);
    await crashUntilQuarantine(puppet);
    expect(puppet.starts).toBe(6);
    expect(stateOf('storage')?.state).toBe('quarantined');
    await env.scheduler.runFor(600_000);
    expect(puppet.starts).toBe(6);
    expect(health.gates[0]).toMatchObject({
      ok: false,
      reason: expect.stringContaining('quarantined after 5 restarts'),
    });
    expect(supervisor.release('nobody')).toBe(false);
    expect(supervisor.release('storage')).toBe(true);
    await env.scheduler.runFor(0);
    expect(stateOf('storage')?.state).toBe('running');
    expect(supervisor.release('storage')).toBe(false);
  });

  test('a change of the configuration releases as well', async () => {
    const puppet = new Puppet('storage');
    await supervisor.supervise(puppet);
    await crashUntilQuarantine(puppet);
    bus.publish({ type: 'ConfigUpdated', version: 2 });
    await env.scheduler.runFor(0);
    expect(stateOf('storage')?.state).toBe('running');
  });

  test('crashes that are far apart never lead to quarantine', async () => {
    const puppet = new Puppet('storage');
    await supervisor.supervise(puppet);
    for (let i = 0; i < 20; i++) {
      puppet.crash(new Error('again'));
      await env.scheduler.runFor(61_000);
      expect(stateOf('storage')?.state).toBe('running');
    }
    expect(puppet.starts).toBe(21);
  });

  test('restarts that fail count as crashes', async () => {
    const puppet = new Puppet('storage');
    await supervisor.supervise(puppet);
    puppet.failStarts = true;
    puppet.crash(new Error('first'));
    await env.scheduler.runFor(60_000);
    expect(stateOf('storage')).toMatchObject({ state: 'quarantined', reason: 'cannot start' });
    expect(crashes()).toHaveLength(6);
  });

  test('a stop during the wait ends it', async () => {
    const puppet = new Puppet('storage');
    await supervisor.supervise(puppet);
    puppet.crash(new Error('x'));
    await env.scheduler.runFor(0);
    await supervisor.stop();
    await env.scheduler.runFor(60_000);
    expect(puppet.starts).toBe(1);
  });
});

test('the backoff doubles from 100 ms to 30 s and uses all of its range', () => {
  const fixed = (unit: number) => ({ bytes: env.random.bytes, unit: () => unit });
  expect([0, 1, 2, 8, 9, 1000].map((failures) => fullJitterMs(fixed(1), failures))).toEqual([
    100,
    200,
    400,
    25_600,
    backoffMaxMs,
    backoffMaxMs,
  ]);
  expect(fullJitterMs(fixed(0), 5)).toBe(0);
});

test('health publishes changes only, and no gate means not ready', () => {
  const fresh = createHealth(bus);
  expect(fresh.ready).toBe(false);
  fresh.set('disk', false, 'opening');
  fresh.set('disk', false, 'replaying');
  fresh.set('disk', true);
  fresh.set('disk', true);
  expect(events).toEqual([
    { type: 'Health', service: 'disk', ok: false },
    { type: 'Health', service: 'disk', ok: true },
  ]);
  fresh.set('other', false);
  expect(fresh.ready).toBe(false);
  fresh.remove('other');
  expect(fresh.ready).toBe(true);
});
