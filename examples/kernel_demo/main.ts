import assert from 'node:assert/strict';
import { createBus, createConfig, createHealth, createMetrics, createSupervisor, type KernelEvent } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { Type } from 'typebox';

/** The kernel by itself: a supervised service crashes and comes back, the bus tells it, configuration reloads, readiness follows. */
const env = createRealEnv();
const bus = createBus<KernelEvent>();
const metrics = createMetrics();
const health = createHealth(bus, metrics);

const seen: KernelEvent[] = [];
let onEvent: () => void = () => undefined;
using _listening = bus.onEvent((event) => {
  seen.push(event);
  console.log('event', JSON.stringify(event));
  onEvent();
});

/** Waits for the bus, never for a fixed time. The kernel's timers do not keep a process alive; this deadline does. */
async function until(what: string, reached: () => boolean): Promise<void> {
  let late: () => void = () => undefined;
  const deadline = setTimeout(() => late(), 60_000);
  while (!reached()) {
    await new Promise<void>((resolve, reject) => {
      onEvent = resolve;
      late = () => reject(new Error(`no ${what} within 60 s`));
    });
  }
  clearTimeout(deadline);
}

const tables = {
  greeter: Type.Object(
    { greeting: Type.String({ default: 'hello', maxLength: 20, reload: true }) },
    { additionalProperties: false },
  ),
};
const config = createConfig(tables, { file: { name: 'demo.toml', text: '' }, environment: {}, flags: {} }, bus);

// Backoff is full jitter: a random share of 100 ms, 200 ms, … A small share keeps the demonstration short.
const random = { bytes: env.random.bytes, unit: () => 0.05 };
await using supervisor = createSupervisor({ clock: env.clock, random, bus, health, metrics });

let starts = 0;
let crash: (error: Error) => void = () => undefined;
await supervisor.supervise({
  name: 'greeter',
  async start() {
    starts += 1;
    console.log(`start ${starts}: ${config.table('greeter').current().greeting}`);
    const done = new Promise<void>((_resolve, reject) => {
      crash = reject;
    });
    return { done, [Symbol.asyncDispose]: async () => undefined };
  },
});
assert.ok(health.ready);

crash(new Error('the demonstration broke it'));
await until('crash and restart', () => starts === 2 && health.ready);
const crashed = seen.find((event) => event.type === 'ServiceCrashed');
assert.deepEqual(crashed, { type: 'ServiceCrashed', service: 'greeter', reason: 'the demonstration broke it' });

const wrong = config.reload('[greeter]\ngreting = "hi"\n');
assert.ok(!wrong.ok);
console.log('refused:', wrong.problems.map((problem) => JSON.stringify(problem)).join(', '));
assert.equal(config.table('greeter').current().greeting, 'hello');
assert.ok(config.reload('[greeter]\ngreeting = "good day"\n').ok);
assert.equal(config.table('greeter').current().greeting, 'good day');

await supervisor.stop();
assert.deepEqual([...new Set(seen.map(({ type }) => type))].sort(), [
  'ConfigUpdated',
  'Health',
  'ServiceCrashed',
  'Shutdown',
]);
console.log(`restarts counted: ${metrics.read('service_restarts_total', { service: 'greeter' })}`);
