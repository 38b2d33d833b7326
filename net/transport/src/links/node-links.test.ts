import { createSimRandom } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { pingContract } from '../testing/ping-contract.ts';
import { LinkedWorld, pingHandlers, type ServingNode } from '../testing/test-links.ts';
import { backoffContactsMax, DialBackoff } from './dial-backoff.ts';

test('a question is answered by the node that was meant, which knows who asked', async () => {
  const net = new LinkedWorld('links');
  const b = await net.serving('b');
  const { links, node } = await net.asking('a');
  const ask = links.ask(pingContract);
  const answer = await net.run(ask(b.contact, 'ping', { text: 'hi' }, 5_000));
  expect(answer).toEqual({ text: 'hi', from: node.identity.nodeId });
});

test('a hundred questions at once are one dial and one connection', async () => {
  const net = new LinkedWorld('links');
  net.world.network.faults.latencyMs = [5, 20];
  const b = await net.serving('b');
  const { links } = await net.asking('a');
  const ask = links.ask(pingContract);
  const texts = Array.from({ length: 100 }, (_, index) => `${index}`);
  const answers = await net.run(Promise.all(texts.map((text) => ask(b.contact, 'ping', { text }, 5_000))));
  expect(answers.map(({ text }) => text)).toEqual(texts);
  expect([links.size, b.server.connections]).toEqual([1, 1]);
  expect([links.isOpen(b.contact.id), links.isOpen('0'.repeat(64))]).toEqual([true, false]);
});

test('what the node refuses comes as it said it; what breaks in it does not', async () => {
  const net = new LinkedWorld('links');
  const b = await net.serving('b');
  const { links } = await net.asking('a');
  const ask = links.ask(pingContract);
  const askFor = (text: string) => net.run(ask(b.contact, 'ping', { text }, 5_000));
  await expect(askFor('nothing')).rejects.toMatchObject({ code: 'not_found', message: 'it is not here' });
  await expect(askFor('undeclared')).rejects.toMatchObject({ code: 'internal' });
  await expect(askFor('broken')).rejects.toMatchObject({
    code: 'internal',
    message: expect.not.stringContaining('secret'),
  });
  await expect(askFor('x'.repeat(101))).rejects.toMatchObject({ code: 'bad_request' });
  expect(b.node.metrics.read('requests_total', { service: 'ping', op: 'ping', code: 'not_found' })).toBe(1);
});

test('an answer that breaks the contract is nobody’s answer', async () => {
  const net = new LinkedWorld('links');
  const lies = { ...pingHandlers, ping: () => ({ text: 'hi', from: 'me', more: 1 }) };
  const b = await net.serving('b', lies as never);
  const { links } = await net.asking('a');
  const ask = links.ask(pingContract)(b.contact, 'ping', { text: 'hi' }, 5_000);
  await expect(net.run(ask)).rejects.toMatchObject({ code: 'integrity' });
});

test('bytes come with an answer, as much as is read of them', async () => {
  const net = new LinkedWorld('links');
  const b = await net.serving('b');
  const { links } = await net.asking('a');
  const options = { timeoutMs: 5_000 };
  const read = async () => {
    const { output, body } = await links.call(pingContract, b.contact, 'pieces', { count: 50, bytes: 65_536 }, options);
    let total = 0;
    for await (const piece of body ?? []) total += piece.byteLength;
    return { announced: output.total, total };
  };
  expect(await net.run(read())).toEqual({ announced: 50 * 65_536, total: 50 * 65_536 });
  const leave = async () => {
    for (let round = 0; round < 70; round += 1) {
      const { body } = await links.call(pingContract, b.contact, 'pieces', { count: 50, bytes: 65_536 }, options);
      for await (const _piece of body ?? []) break;
    }
  };
  await net.run(leave());
  // Without the bytes: `ask` lets them go.
  await net.run(links.ask(pingContract)(b.contact, 'pieces', { count: 50, bytes: 65_536 }, 5_000));
  expect(await net.run(read())).toEqual({ announced: 50 * 65_536, total: 50 * 65_536 });
});

test('the time is up: of the caller, of the operation, and of a dial that nobody answers', async () => {
  const net = new LinkedWorld('links');
  const b = await net.serving('b');
  const { links } = await net.asking('a');
  const ask = links.ask(pingContract);
  const since = net.world.scheduler.nowMs;
  await expect(net.run(ask(b.contact, 'slow', {}, 1_200))).rejects.toMatchObject({ code: 'deadline_exceeded' });
  expect(net.world.scheduler.nowMs - since).toBeLessThan(2_500);
  await expect(net.run(ask(b.contact, 'slow', {}, 60_000))).rejects.toMatchObject({ code: 'deadline_exceeded' });
  const c = await net.serving('c');
  net.world.network.faults.partition('a', 'c');
  const before = net.world.scheduler.nowMs;
  await expect(net.run(ask(c.contact, 'ping', { text: '' }, 300))).rejects.toMatchObject({ code: 'deadline_exceeded' });
  expect(net.world.scheduler.nowMs - before).toBe(300);
});

test('a contact that fails is left alone for a while; another address of the same node is not', async () => {
  const net = new LinkedWorld('links');
  const b = await net.serving('b');
  const { links, metrics } = await net.asking('a');
  const ask = links.ask(pingContract);
  const wrong = { ...b.contact, address: 'nobody.sim:1' };
  const dials = () => metrics.read('transport_dial_failed_total', { reason: 'unreachable' }) ?? 0;
  for (let failures = 0; failures < 12; failures += 1) {
    const error = await net.run(ask(wrong, 'ping', { text: '' }, 5_000).catch((thrown) => thrown));
    expect(error.code).toBe('unavailable');
    const again = await net.run(ask(wrong, 'ping', { text: '' }, 5_000).catch((thrown) => thrown));
    const { reason } = again.details as { reason: string };
    if (reason === 'backoff') expect(again.retryAfterMs).toBeLessThanOrEqual(30_000);
    await net.world.scheduler.runFor(Math.ceil(again.retryAfterMs ?? 0));
  }
  expect(dials()).toBeLessThan(24);
  expect(await net.run(ask(b.contact, 'ping', { text: 'hi' }, 5_000))).toMatchObject({ text: 'hi' });
});

test('who ends every connection at once, as a node at its caps does, is not dialled in a loop', async () => {
  const net = new LinkedWorld('links');
  const b = await net.serving('b', pingHandlers, { limits: { connectionsPerNodeMax: 0 } });
  const { links } = await net.asking('a');
  const ask = links.ask(pingContract);
  for (let round = 0; round < 50; round += 1) {
    await expect(net.run(ask(b.contact, 'ping', { text: '' }, 5_000))).rejects.toMatchObject({ code: 'unavailable' });
  }
  expect(b.node.count('refused', 'node_capacity')).toBeLessThan(10);
  expect(links.size).toBe(0);
});

test('a node that comes back is reached again', async () => {
  const net = new LinkedWorld('links');
  const b = await net.serving('b');
  const { links } = await net.asking('a');
  const ask = links.ask(pingContract);
  await net.run(ask(b.contact, 'ping', { text: '' }, 5_000));
  b.server.drop('no node');
  expect(b.server.connections).toBe(1);
  const [from] = [(await net.run(ask(b.contact, 'ping', { text: '' }, 5_000))).from];
  b.server.drop(from);
  await net.world.scheduler.runFor(10);
  expect([b.server.connections, links.size]).toEqual([0, 0]);
  await net.run(ask(b.contact, 'ping', { text: '' }, 5_000));
  links.drop(b.contact.id);
  await net.world.scheduler.runFor(10);
  expect([b.server.connections, links.size]).toEqual([0, 0]);
  await net.run(ask(b.contact, 'ping', { text: '' }, 5_000));
  await net.world.scheduler.runFor(65_000);
  expect([b.server.connections, links.size]).toEqual([0, 0]);
});

test('at the cap of links the one used longest ago makes room, never one that is in use', async () => {
  const net = new LinkedWorld('links');
  const nodes: ServingNode[] = [];
  for (let index = 0; index < 5; index += 1) nodes.push(await net.serving(`b${index}`));
  const { links } = await net.asking('a', 3);
  const ask = links.ask(pingContract);
  const ping = (index: number) => net.run(ask(nodes[index]?.contact ?? never(), 'ping', { text: '' }, 5_000));
  const linked = async () => {
    await net.world.scheduler.runFor(10);
    return nodes.map(({ server }) => server.connections).join('');
  };
  for (const index of [0, 1, 2]) await ping(index);
  expect(await linked()).toBe('11100');
  await ping(0);
  await ping(3);
  expect(await linked()).toBe('10110');
  const busy = [0, 2, 3].map((index) =>
    ask(nodes[index]?.contact ?? never(), 'slow', {}, 1_500).catch(() => undefined),
  );
  await net.world.scheduler.runFor(10);
  await expect(ping(4)).rejects.toMatchObject({ code: 'unavailable', details: { reason: 'links' } });
  await net.run(Promise.all(busy));
  // An answer whose bytes are still read is in use as well.
  const pieces = { count: 50, bytes: 65_536 };
  const reading = [0, 2, 3].map((index) =>
    links.call(pingContract, nodes[index]?.contact ?? never(), 'pieces', pieces, { timeoutMs: 5_000 }),
  );
  const bodies = (await net.run(Promise.all(reading))).map(({ body }) => body?.[Symbol.asyncIterator]());
  for (const body of bodies) await net.run(body?.next() ?? never());
  await expect(ping(4)).rejects.toMatchObject({ code: 'unavailable', details: { reason: 'links' } });
  const [first] = bodies;
  while ((await net.run(first?.next() ?? never())).done !== true);
  await ping(4);
  for (const body of bodies) await net.run(body?.return?.() ?? never());
  expect(links.size).toBe(3);
  await net.run(links[Symbol.asyncDispose]());
  await expect(ping(4)).rejects.toMatchObject({ code: 'unavailable' });
});

function never(): never {
  throw new Error('no such node');
}

test('equal seeds give equal runs, handshakes included', async () => {
  const run = async (seed: string) => {
    const net = new LinkedWorld(seed);
    net.world.network.faults.latencyMs = [5, 50];
    const b = await net.serving('b');
    const { links, node } = await net.asking('a');
    await net.run(links.ask(pingContract)(b.contact, 'ping', { text: 'hi' }, 5_000));
    return `${net.world.traceHash} ${node.identity.nodeId} ${b.contact.id}`;
  };
  expect(await run('one')).toBe(await run('one'));
  expect(await run('one')).not.toBe(await run('two'));
});

test('failures are remembered of 1,024 contacts', () => {
  const clock = { monotonicMs: () => 0 };
  const backoff = new DialBackoff(clock, createSimRandom(1));
  for (let index = 0; index < backoffContactsMax - 1; index += 1) backoff.failed(`${index}`);
  expect(backoff.size).toBe(1_023);
  backoff.failed('1023');
  expect(backoff.size).toBe(1_024);
  backoff.failed('1024');
  expect(backoff.size).toBe(1_024);
  expect(backoff.leftMs('0')).toBe(0);
  expect(backoff.leftMs('1024')).toBeGreaterThan(0);
  backoff.succeeded('1024');
  expect(backoff.leftMs('1024')).toBe(0);
});
