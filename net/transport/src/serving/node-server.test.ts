import { createOapClient } from '@ron/oap';
import { expect, test } from 'vitest';
import { pingContract } from '../testing/ping-contract.ts';
import { LinkedWorld, pingHandlers } from '../testing/test-links.ts';
import { callsPerNodeMax } from './node-server.ts';

async function connected(seed: string, handlers = pingHandlers) {
  const net = new LinkedWorld(seed);
  const b = await net.serving('b', handlers);
  const { node } = await net.asking('a');
  const open = async () => {
    const { duplex } = await net.run(node.transport.dial(b.contact, 5_000));
    return { duplex, client: createOapClient({ pipe: duplex, clock: node.env.clock }) };
  };
  return { net, b, node, open };
}

test('operations that do not exist are refused, whatever they are called', async () => {
  const { net, open } = await connected('server');
  const { client } = await open();
  for (const operation of ['nothing', 'constructor', 'toString', 'hasOwnProperty']) {
    const call = client.call({ app: pingContract.app, operation, input: {}, corrId: 'corr-0001' });
    await expect(net.run(call)).rejects.toMatchObject({ code: 'not_found' });
  }
  const elsewhere = client.call({ app: 0x8003, operation: 'ping', input: {}, corrId: 'corr-0001' });
  await expect(net.run(elsewhere)).rejects.toMatchObject({ code: 'not_found' });
});

test.each([
  [-1, 0],
  [0, 0],
  [1, 1],
])('%i calls of one node more than may run at once', async (more, refused) => {
  const { net, b, open } = await connected('server');
  const clients = [(await open()).client, (await open()).client];
  const call = (index: number) =>
    clients[index % 2]?.call({ app: pingContract.app, operation: 'slow', input: {}, corrId: 'corr-0001' });
  const codes: string[] = [];
  for (let index = 0; index < callsPerNodeMax + more; index += 1) call(index)?.catch((error) => codes.push(error.code));
  await net.world.scheduler.runFor(100);
  expect(codes).toEqual(Array(refused).fill('unavailable'));
  expect(b.server.callsRunning).toBe(callsPerNodeMax + Math.min(0, more));
});

test('a handler that goes on after its time counts until it ends', async () => {
  const done = Promise.withResolvers<object>();
  const { net, b, open } = await connected('server', { ...pingHandlers, slow: () => done.promise as never });
  const { client } = await open();
  const call = client.call({ app: pingContract.app, operation: 'slow', input: {}, corrId: 'corr-0001' });
  await expect(net.run(call)).rejects.toMatchObject({ code: 'deadline_exceeded' });
  expect(b.server.callsRunning).toBe(1);
  done.resolve({});
  await net.world.scheduler.runFor(1);
  expect(b.server.callsRunning).toBe(0);
});

test('a peer that says nothing after its handshake, or no OAP, is let go', async () => {
  const { net, b, node } = await connected('server');
  await net.run(node.transport.dial(b.contact, 5_000));
  await net.world.scheduler.runFor(10);
  expect(b.server.connections).toBe(1);
  await net.world.scheduler.runFor(7_000);
  expect(b.server.connections).toBe(0);
  const { duplex } = await net.run(node.transport.dial(b.contact, 5_000));
  duplex.write([new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')]);
  await net.world.scheduler.runFor(10);
  expect(b.server.connections).toBe(0);
});

test('an answer that nobody reads does not hold its stream for ever', async () => {
  const { net, b, open } = await connected('server');
  const { client } = await open();
  const input = { count: 1_000, bytes: 65_536 };
  const reply = await net.run(client.call({ app: pingContract.app, operation: 'pieces', input, corrId: 'corr-0001' }));
  await net.world.scheduler.runFor(70_000);
  expect(b.node.metrics.read('node_calls_total', { operation: 'unread', code: 'request_timeout' })).toBe(1);
  const read = async () => {
    for await (const _piece of reply.body ?? []);
  };
  await expect(net.run(read())).rejects.toMatchObject({ code: 'request_timeout' });
});

test('a server that is over answers nobody', async () => {
  const { net, b, open } = await connected('server');
  const { client } = await open();
  await net.run(b.server[Symbol.asyncDispose]());
  const call = client.call({ app: pingContract.app, operation: 'ping', input: { text: '' }, corrId: 'corr-0001' });
  await expect(net.run(call)).rejects.toMatchObject({ code: 'unavailable' });
  const again = (await open()).client;
  const second = again.call({ app: pingContract.app, operation: 'ping', input: { text: '' }, corrId: 'corr-0001' });
  await expect(net.run(second)).rejects.toMatchObject({ code: 'unavailable' });
  expect(b.server.connections).toBe(0);
});
