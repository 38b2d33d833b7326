import { describe, expect, test } from 'vitest';
import { sleep } from '../env/clock.ts';
import { createSimEnv, SimWorld } from './world.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('network faults', () => {
  async function pair(world: SimWorld) {
    const [a, b] = [world.node('a'), world.node('b')];
    const heard: string[] = [];
    const closes: unknown[] = [];
    const address = { kind: 'tcp', host: 'b.sim', port: 1 } as const;
    await b.net.listen(address, (connection) => {
      connection.start({
        data: (piece) => heard.push(`${new TextDecoder().decode(piece)}@${Math.round(b.clock.monotonicMs())}`),
        drain: () => undefined,
        close: (reason) => closes.push(reason),
      });
    });
    const here = await world.scheduler.settle(a.net.dial(address, 5000));
    here.start({ data: () => undefined, drain: () => undefined, close: (reason) => closes.push(reason) });
    return { a, b, here, heard, closes, address };
  }

  test('latency and loss delay bytes and never reorder them', async () => {
    const world = new SimWorld({ seed: 3 });
    world.network.faults.latencyMs = [1, 30];
    world.network.faults.lossRate = 0.3;
    const { here, heard } = await pair(world);
    for (let i = 0; i < 30; i++) here.write([bytes(String(i))]);
    await world.scheduler.runUntilIdle();
    expect(heard.map((line) => Number(line.split('@')[0]))).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(world.network.faults.fired.get('delayed')).toBeGreaterThan(0);
    expect(world.scheduler.nowMs).toBeGreaterThan(200);
  });

  test('a partition holds bytes until it heals, and lets dials time out', async () => {
    const world = new SimWorld({ seed: 3 });
    const { a, address, here, heard } = await pair(world);
    world.network.faults.partition('a', 'b');
    here.write([bytes('first')]);
    here.write([bytes('second')]);
    await expect(world.scheduler.settle(a.net.dial(address, 50))).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(heard).toEqual([]);
    world.network.faults.heal('a', 'b');
    here.write([bytes('third')]);
    await world.scheduler.runUntilIdle();
    expect(heard).toEqual(['first@50', 'second@50', 'third@50']);
    expect(world.network.faults.fired.get('partitioned')).toBe(3);
  });

  test('a reset breaks both ends; a dead node leaves its peers with a close', async () => {
    const world = new SimWorld({ seed: 3 });
    const first = await pair(world);
    world.network.faults.resetRate = 1;
    first.here.write([bytes('x')]);
    await world.scheduler.runUntilIdle();
    expect(first.closes).toHaveLength(2);
    expect(first.closes[0]).toMatchObject({ code: 'ECONNRESET' });
    world.network.faults.resetRate = 0;
    const second = await pair(new SimWorld({ seed: 4 }));
    second.b.kill();
    await second.b.scheduler.runUntilIdle();
    expect(second.closes).toHaveLength(1);
    await expect(second.a.net.dial(second.address, 10)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('a request reaches the handler of an address without a wire', async () => {
    const { net } = createSimEnv({ seed: 1 });
    const listener = await net.serveHttp({ kind: 'tcp', host: '127.0.0.1', port: 0 }, {} as never, async (request) => {
      let total = 0;
      for await (const piece of request.body) total += piece.byteLength;
      return { status: 200, headers: {}, body: bytes(`${request.method} ${request.target} ${total}`) };
    });
    const response = await net.request(listener.address, { method: 'PUT', target: '/x', body: bytes('four') });
    expect(new TextDecoder().decode(response.body as Uint8Array)).toBe('PUT /x 4');
    await listener.close(0);
    await expect(net.request(listener.address, { method: 'GET', target: '/' })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  });
});

test('the same seed gives the same trace, another seed another one', async () => {
  const run = async (seed: number) => {
    const world = new SimWorld({ seed });
    world.network.faults.latencyMs = [1, 20];
    world.network.faults.lossRate = 0.1;
    const server = world.node('server');
    server.machineDisk.faults.latencyMs = [0.1, 3];
    const address = { kind: 'tcp', host: 'server', port: 1 } as const;
    let count = 0;
    await server.net.listen(address, (connection) => {
      connection.start({
        data: (piece) => {
          const name = `file-${count++}`;
          void server.disk.open(name, 'create').then(async (file) => {
            await file.write([piece], 0);
            await file.sync();
            connection.write([piece]);
          });
        },
        drain: () => undefined,
        close: () => undefined,
      });
    });
    let answers = 0;
    for (const name of ['a', 'b', 'c']) {
      const client = world.node(name);
      void client.net.dial(address, 1000).then(async (connection) => {
        connection.start({ data: () => answers++, drain: () => undefined, close: () => undefined });
        for (let i = 0; i < 10; i++) {
          await sleep(client.clock, client.random.unit() * 50);
          connection.write([client.random.bytes(10)]);
        }
      });
    }
    await world.scheduler.runUntilIdle();
    expect(answers).toBeGreaterThan(0);
    return world.traceHash;
  };
  const hashes = [await run(1), await run(1), await run(2)];
  expect(hashes[0]).toBe(hashes[1]);
  expect(hashes[0]).not.toBe(hashes[2]);
});
