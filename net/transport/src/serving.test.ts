import { createOapClient, limits } from '@ron/oap';
import { expect, test } from 'vitest';
import { transportLimits } from './limits.ts';
import { pingContract } from './testing/ping-contract.ts';
import { LinkedWorld } from './testing/test-links.ts';

/** A node that answers over OAP, and one that dials it without a link in between. */
async function connected() {
  const net = new LinkedWorld('serving');
  const b = await net.serving('b');
  const { node } = await net.asking('a');
  const dial = async () => (await net.run(node.transport.dial(b.contact, 5_000))).duplex;
  const open = async () => createOapClient({ pipe: await dial(), clock: node.env.clock });
  return { net, b, dial, open };
}

const corrId = 'corr-0001';

test('operations that do not exist are refused, whatever they are called', async () => {
  const { net, open } = await connected();
  const client = await open();
  for (const operation of ['nothing', 'constructor', 'toString', 'hasOwnProperty']) {
    const call = client.call({ app: pingContract.app, operation, input: {}, corrId });
    await expect(net.run(call)).rejects.toMatchObject({ code: 'not_found' });
  }
  const elsewhere = client.call({ app: 0x8003, operation: 'ping', input: {}, corrId });
  await expect(net.run(elsewhere)).rejects.toMatchObject({ code: 'not_found' });
});

test('who asks is who the channel proved, whatever token comes along', async () => {
  const { net, open } = await connected();
  const capability = new TextEncoder().encode('of somebody else');
  const call = (await open()).call({
    app: pingContract.app,
    operation: 'ping',
    input: { text: '' },
    corrId,
    capability,
  });
  const own = (await open()).call({ app: pingContract.app, operation: 'ping', input: { text: '' }, corrId });
  expect((await net.run(call)).output).toEqual((await net.run(own)).output);
});

test('one node has so many calls running as its connections have streams, and no more', async () => {
  const { net, b, open } = await connected();
  const streams = limits.streamsPerConnectionMax;
  for (let connections = 1; connections <= transportLimits.connectionsPerNodeMax + 1; connections += 1) {
    const client = await open();
    for (let call = 0; call <= streams; call += 1) {
      client.call({ app: pingContract.app, operation: 'slow', input: {}, corrId }).catch(() => undefined);
    }
    await net.world.scheduler.runFor(10);
    const served = Math.min(connections, transportLimits.connectionsPerNodeMax);
    expect([b.server.connections, b.server.callsRunning]).toEqual([served, served * streams]);
  }
});

test('a peer that says nothing after its handshake, or no OAP, is let go', async () => {
  const { net, b, dial } = await connected();
  await dial();
  await net.world.scheduler.runFor(10);
  expect(b.server.connections).toBe(1);
  await net.world.scheduler.runFor(7_000);
  expect(b.server.connections).toBe(0);
  (await dial()).write([new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')]);
  await net.world.scheduler.runFor(10);
  expect(b.server.connections).toBe(0);
});

test('an answer that nobody reads does not hold its stream for ever', async () => {
  const { net, open } = await connected();
  const input = { count: 1_000, bytes: 65_536 };
  const reply = await net.run((await open()).call({ app: pingContract.app, operation: 'pieces', input, corrId }));
  await net.world.scheduler.runFor(70_000);
  const read = async () => {
    for await (const _piece of reply.body ?? []);
  };
  await expect(net.run(read())).rejects.toMatchObject({ code: 'request_timeout' });
});

test('a node that stops answers nobody, and keeps no connection', async () => {
  const { net, b, open } = await connected();
  const client = await open();
  await net.run(b.server.close());
  const call = client.call({ app: pingContract.app, operation: 'ping', input: { text: '' }, corrId });
  await expect(net.run(call)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(open()).rejects.toMatchObject({ code: 'unavailable' });
  expect(b.server.connections).toBe(0);
});
