import { createBus, createHealth, createMetrics, createSupervisor, type KernelEvent } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { type Attack, many, type Setting, Tally, type Target } from '../attack.ts';
import type { RawReply } from '../raw-http.ts';
import { envelopeOf, metricsOf, within } from '../signs.ts';

const misbehaving: Setting = { kind: 'misbehaving' };
/** A process of its own: what crashed in it counts for a minute. */
const ownMisbehaving: Setting = { kind: 'misbehaving', options: { startTimeoutMs: 30_001 } };
const get = (target: Target, path: string): Promise<RawReply> => target.ask({ target: path });

const silentSubscriber: Attack = {
  name: 'bus: 10^6 publishes, a subscriber never reads',
  area: 'kernel',
  expected: 'it loses its own oldest, counted; others lose none',
  quick: true,
  setting: 'alone',
  async run(evidence) {
    let dropped = 0;
    const bus = createBus<KernelEvent>({
      onDropped: (count) => {
        dropped += count;
      },
    });
    const published = 1_000_000;
    const capacity = 4_096;
    const silent = bus.subscribe();
    let heard = 0;
    const reading = (async () => {
      for await (const _event of bus.subscribe()) heard++;
    })();
    const before = process.memoryUsage().heapUsed;
    for (let at = 0; at < published; at++) {
      bus.publish({ type: 'ConfigUpdated', version: at });
      if (at % 1_000 === 999) await new Promise((resolve) => setImmediate(resolve));
    }
    evidence.check(process.memoryUsage().heapUsed - before < 64 * 1_048_576, 'what was published stays in memory');
    bus.close();
    await reading;
    let left = 0;
    // The first thing that it hears may be that it lost something.
    for await (const event of silent) if (event.type === 'ConfigUpdated') left++;
    evidence.check(heard === published, `who reads heard ${heard}`);
    evidence.check(left === capacity, `the silent one holds ${left}`);
    evidence.check(dropped === published - capacity && bus.dropped === dropped, `${dropped} were counted as lost`);
    evidence.saw(`${heard} heard, ${dropped} lost by the silent one`);
  },
};

const throwingListener: Attack = {
  name: 'bus: listeners that throw, 1,025 subscribers',
  area: 'kernel',
  expected: 'the others hear; one too many is refused',
  quick: true,
  setting: 'alone',
  async run(evidence) {
    const errors: unknown[] = [];
    const bus = createBus<number>({ onListenerError: (error) => void errors.push(error) });
    let heard = 0;
    bus.onEvent(() => {
      throw new Error('a listener that throws');
    });
    bus.onEvent(() => void heard++);
    for (let at = 0; at < 10_000; at++) bus.publish(at);
    evidence.check(heard === 10_000 && errors.length === 10_000, `${heard} heard, ${errors.length} errors`);
    let refused = 0;
    for (let at = 0; at < 1_025; at++) {
      try {
        bus.subscribe({ capacity: 1 });
      } catch (error) {
        if (error instanceof RangeError) refused++;
      }
    }
    evidence.check(refused === 3, `${refused} were refused beside two listeners`);
    evidence.saw(`${refused} subscribers refused`);
    bus.close();
  },
};

const throwing: Attack = {
  name: 'handlers that throw, reject with a string, lie, × 600',
  area: 'kernel',
  expected: '500 internal, the cause in the log only',
  quick: true,
  setting: misbehaving,
  async run(target) {
    const tally = new Tally();
    const paths = ['/rejects', '/undeclared', '/throws'];
    await many(600, 8, async (index) => {
      const reply = await get(target, paths[index % paths.length]!);
      tally.add(reply.status);
      target.check(reply.status === 500 && envelopeOf(reply).code === 'internal', `${reply.status} ${reply.body}`);
      target.check(!reply.body.toString().includes('internals'), 'the caller is told of internals');
    });
    target.counted('internal');
    // What a handler says of itself is for the log, and here it says the mark.
    target.check(target.node.stderr().includes('internals of'), 'the log has no cause');
    target.saw(String(tally));
  },
};

const breaking: Attack = {
  name: 'bodies that break off in the middle, × 200',
  area: 'kernel',
  expected: 'the connection ends; nothing looks whole',
  quick: true,
  setting: misbehaving,
  async run(target) {
    const tally = new Tally();
    await many(200, 8, async () => {
      const reply = await fetch(`${target.node.url}/breaks`, { headers: { ...target.auth, Connection: 'close' } })
        .then((response) => response.arrayBuffer())
        .then(
          () => 'whole',
          () => 'broken off',
        );
      tally.add(reply);
    });
    target.check(tally.of('whole') === 0, String(tally));
    target.saw(String(tally));
  },
};

const hanging: Attack = {
  name: 'handlers that never resolve, 300 at once',
  area: 'kernel',
  expected: '504 at the deadline; nothing in flight',
  quick: true,
  setting: misbehaving,
  async run(target) {
    const tally = new Tally();
    await many(300, 40, async () => {
      const reply = await get(target, '/hangs');
      tally.add(reply.status);
      if (reply.status !== 503) target.refused(reply, { status: 504, code: 'deadline_exceeded' });
    });
    target.check(tally.of(504) > 0, String(tally));
    target.saw(String(tally));
  },
};

const blocking: Attack = {
  name: 'a handler that blocks the loop for 2 s',
  area: 'kernel',
  expected: 'everybody waits, nobody is lost; then as before',
  quick: true,
  setting: misbehaving,
  // It is the one thing that one process cannot bound: what counts is that it recovers.
  tolerance: { slowdownMax: 100_000, shedShareMax: 1 },
  async run(target) {
    const reply = get(target, '/blocks');
    const others = Promise.all(Array.from({ length: 40 }, () => get(target, '/fine')));
    const statuses = new Tally();
    for (const { status } of [await reply, ...(await others)]) statuses.add(status);
    target.check(statuses.of(200) + statuses.of(503) + statuses.of(408) === 41, String(statuses));
    const again = async () => (await get(target, '/fine')).status === 200;
    target.check(await within(30_000, again), 'it does not recover');
    target.saw(String(statuses));
  },
};

const crashing: Attack = {
  name: 'a service that crashes again and again',
  area: 'kernel',
  expected: 'restarts with a growing wait; quarantined after 5',
  quick: false,
  setting: ownMisbehaving,
  tolerance: { slowdownMax: 100_000, shedShareMax: 1 },
  async run(target) {
    const restarts = async () =>
      (await metricsOf(target.port)).get('service_restarts_total{service="misbehaving"}') ?? 0;
    for (let round = 1; round <= 3; round++) {
      await get(target, '/crashes');
      target.check(await within(30_000, async () => (await restarts()) >= round), `no restart ${round}`);
      const again = async () => (await get(target, '/fine')).status === 200;
      target.check(await within(30_000, again), 'it does not come back');
    }
    target.saw(`${await restarts()} restarts`);
  },
};

/** In a process of its own a quarantine would last: here the clock and the verdict are at hand. */
const crashLoop: Attack = {
  name: 'a service that crashes 6 times within a minute',
  area: 'kernel',
  expected: 'quarantined, the gate red with the reason, released by hand',
  quick: false,
  setting: 'alone',
  async run(evidence) {
    const { clock, random } = createRealEnv();
    const metrics = createMetrics();
    const bus = createBus<KernelEvent>();
    const health = createHealth(bus, metrics);
    let starts = 0;
    await using supervisor = createSupervisor({ clock, random, bus, health, metrics });
    await supervisor.supervise({
      name: 'loop',
      async start() {
        starts++;
        const done = Promise.reject(new Error(`crash ${starts}`));
        done.catch(() => undefined); // A start that is given up looks at it no more.
        return { done, [Symbol.asyncDispose]: async () => undefined };
      },
    });
    const state = () => supervisor.status[0]!.state;
    evidence.check(await within(40_000, () => state() === 'quarantined'), `${state()} after ${starts} starts`);
    const gate = health.gates.find(({ gate: name }) => name === 'service:loop');
    evidence.check(gate?.ok === false && /quarantined/.test(gate.reason ?? ''), JSON.stringify(gate));
    evidence.check(starts === 6, `${starts} starts`);
    evidence.check(supervisor.release('loop'), 'it is not released');
    evidence.saw(`${starts} starts, then ${gate?.reason}`);
  },
};

const oddCalls: Attack = {
  name: 'calls of a misbehaving service without a right, odd, × 500',
  area: 'kernel',
  expected: '400, 401, 404, 405 with the envelope; no handler runs',
  quick: true,
  setting: misbehaving,
  async run(target) {
    const tally = new Tally();
    await many(500, 8, async (index) => {
      const reply =
        index % 2 === 0
          ? await target.ask({ target: '/throws', headers: { Authorization: 'Bearer other' } })
          : await get(target, '/throws?odd=1');
      tally.add(reply.status);
      target.check(reply.status < 500, String(reply.status));
    });
    target.counted('unauthenticated');
    target.saw(String(tally));
  },
};

export const kernel: readonly Attack[] = [
  ...[silentSubscriber, throwingListener, oddCalls, breaking, hanging, blocking],
  ...[throwing, crashing, crashLoop],
];
