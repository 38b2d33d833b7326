import { createSimRandom, SimScheduler } from '@ron/kernel/sim';
import { defineContract } from '@ron/proto/contract';
import type { Contact } from '@ron/proto/network';
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { Latency } from './latency.ts';
import { LinkFaults, type LinkRates } from './link-faults.ts';
import { MessageNet } from './message-net.ts';

const contract = defineContract({
  name: 'echo',
  app: 0x8001,
  operations: {
    say: {
      summary: 'Says it again',
      input: Type.Object({ text: Type.String() }),
      output: Type.Object({ text: Type.String(), from: Type.String() }),
      errors: [],
      scopes: [],
    },
  },
});

const plan = {
  regions: ['here', 'there'],
  weights: [1, 1],
  one_way_ms: [
    [5, 50],
    [50, 5],
  ],
  jitter_share: 0,
  access_ms: 0,
};

function contactOf(index: number, region = 'here'): Contact {
  return { id: index.toString(16).padStart(64, '0'), address: `10.0.0.${index}:9700`, region };
}

function network(rates: LinkRates = {}, options: { wire?: boolean; handshakeRoundTrips?: number; seed?: number } = {}) {
  const scheduler = new SimScheduler();
  const random = createSimRandom(options.seed ?? 1);
  const faults = new LinkFaults(rates, random.fork('faults'));
  const net = new MessageNet({ scheduler, random, latency: new Latency(plan), faults, ...options });
  let served = 0;
  const serve = async (_operation: string, input: unknown, from: string) => {
    served++;
    return { ...(input as { text: string }), from };
  };
  const [a, b, far] = [contactOf(1), contactOf(2), contactOf(3, 'there')];
  const ends = [a, b, far].map((contact) => net.attach(contact, serve));
  const ask = ends[0]!.ask(contract);
  return { scheduler, faults, net, a, b, far, ask, served: () => served };
}

test('an answer takes both ways and carries the proven id', async () => {
  const { scheduler, ask, a, b, far, net } = network();
  expect(await scheduler.settle(ask(b, 'say', { text: 'hi' }, 1_500))).toEqual({ text: 'hi', from: a.id });
  expect(scheduler.nowMs).toBe(10);
  await scheduler.settle(ask(far, 'say', { text: 'hi' }, 1_500));
  expect(scheduler.nowMs).toBe(110);
  expect(net.endpointOf(a.id)).toMatchObject({ sent: 2, received: 2 });
  expect(net.endpointOf(b.id)).toMatchObject({ sent: 1, received: 1 });
  expect(net.totals).toMatchObject({ messages: 4, asked: 2, timedOut: 0 });
});

test('a handshake costs round trips once, until the connection was idle for long', async () => {
  const { scheduler, ask, b } = network({}, { handshakeRoundTrips: 2 });
  const took = async () => {
    const before = scheduler.nowMs;
    await scheduler.settle(ask(b, 'say', { text: 'hi' }, 1_500));
    return scheduler.nowMs - before;
  };
  expect([await took(), await took()]).toEqual([30, 10]);
  await scheduler.runFor(61_000);
  expect(await took()).toBe(30);
});

test('who left refuses, who crashed is silent, who is somebody else is not asked', async () => {
  const { scheduler, ask, a, b, far, net, faults, served } = network();
  net.detach(b.id);
  await expect(scheduler.settle(ask(b, 'say', { text: '' }, 1_500))).rejects.toMatchObject({ code: 'unavailable' });
  expect(scheduler.nowMs).toBe(10);
  net.crash(far.id);
  await expect(scheduler.settle(ask(far, 'say', { text: '' }, 1_500))).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
  expect(scheduler.nowMs).toBe(1_510);
  const other = ask({ ...b, address: a.address }, 'say', { text: '' }, 1_500);
  await expect(scheduler.settle(other)).rejects.toMatchObject({ code: 'unavailable' });
  expect(served()).toBe(0);
  expect(Object.fromEntries(faults.fired)).toEqual({ leave: 1, crash: 1 });
});

test('loss, duplication, reordering and partition fire and are counted', async () => {
  const { scheduler, ask, a, b, faults, served } = network({ loss: 0.2, duplicate: 0.2, reorder: 0.2, reorder_ms: 50 });
  let answered = 0;
  const asks = Array.from({ length: 200 }, () =>
    ask(b, 'say', { text: '' }, 1_500).then(
      () => answered++,
      (error: { code: string }) => expect(error.code).toBe('deadline_exceeded'),
    ),
  );
  await scheduler.settle(Promise.all(asks));
  expect(answered).toBeGreaterThan(80);
  expect(answered).toBeLessThan(170);
  expect(served()).toBeGreaterThan(answered);
  faults.rates = {};
  faults.partition((id) => (id === a.id ? 0 : 1));
  await expect(scheduler.settle(ask(b, 'say', { text: '' }, 1_500))).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
  faults.partition(undefined);
  await scheduler.settle(ask(b, 'say', { text: '' }, 1_500));
  for (const fault of ['loss', 'duplicate', 'reorder', 'partition'] as const) {
    expect(faults.fired.get(fault)).toBeGreaterThan(0);
  }
});

test('on the wire, what does not match the contract does not arrive', async () => {
  const { scheduler, ask, b } = network({}, { wire: true });
  await expect(scheduler.settle(ask(b, 'say', { text: 1 } as never, 1_500))).rejects.toMatchObject({
    code: 'bad_request',
  });
  expect(await scheduler.settle(ask(b, 'say', { text: 'ü' }, 1_500))).toMatchObject({ text: 'ü' });
});

test('the same seed gives the same trace', async () => {
  const trace = async (seed: number) => {
    const { scheduler, ask, b } = network({ loss: 0.1, reorder: 0.5 }, { seed });
    const asks = Array.from({ length: 50 }, () => ask(b, 'say', { text: '' }, 500).catch((error: Error) => error.name));
    await scheduler.settle(Promise.all(asks));
    return scheduler.traceHash;
  };
  expect(await trace(1)).toBe(await trace(1));
  expect(await trace(1)).not.toBe(await trace(2));
});
