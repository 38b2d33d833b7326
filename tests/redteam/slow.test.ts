import { createConfig } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { type Micronode, startMicronode } from '@ron/micronode';
import { micronodeTables } from '@ron/micronode/config';
import { openEngines } from '@ron/micronode/engines';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../support/in-process-node.ts';
import { envelopeIn } from './oap-attack.ts';
import { ask, RawHttp } from './raw-http.ts';
import { frame, gatewayApp, oneShot, RawOap } from './raw-oap.ts';
import { eventually } from './signs.ts';

/** Time in which the node lives, as a multiple of ours: its 5 s are 625 ms here, in which every honest request must be done. */
const speed = 8;

let node: Micronode;
let capability: string;
let port: number;
let oapPort: number;

beforeAll(async () => {
  const env = createRealEnv({ progressTickMs: 1_000 / speed });
  const { clock, net } = env;
  const flags = { 'server.listen': '127.0.0.1:0', 'server.oap_listen': '127.0.0.1:0', 'server.drain_ms': '200' };
  const config = createConfig(micronodeTables, { file: undefined, environment: {}, flags });
  const quick = {
    ...env,
    clock: {
      wallMs: () => clock.wallMs(),
      monotonicMs: () => clock.monotonicMs() * speed,
      after: (ms: number, callback: () => void) => clock.after(ms / speed, callback),
    },
    net: {
      ...net,
      serveHttp: (...[address, limits, handler]: Parameters<typeof net.serveHttp>) =>
        net.serveHttp(
          address,
          {
            ...limits,
            headerTimeMs: limits.headerTimeMs / speed,
            keepAliveIdleMs: limits.keepAliveIdleMs / speed,
            progressBytesPerSecondMin: limits.progressBytesPerSecondMin * speed,
          },
          handler,
        ),
    },
  };
  const engines = await openEngines(quick, config, silentLog, undefined);
  node = await startMicronode({ env: quick, config, log: silentLog, engines });
  port = (node.http as { port: number }).port;
  oapPort = (node.oap as { port: number }).port;
  const rights = [{ methods: ['read', 'write', 'delete', 'list', 'admin'] as const, prefix: '' }];
  capability = node.authority.mint({ subject: 'test', rights: rights as never });
});
afterAll(() => node[Symbol.asyncDispose]());

const auth = () => `Authorization: Bearer ${capability}`;
const timesOut = async (client: RawHttp) => {
  const reply = await client.reply();
  expect([reply.status, (JSON.parse(reply.body.toString()) as { code: string }).code]).toEqual([
    408,
    'request_timeout',
  ]);
  await client.end();
};
const drip = (write: () => void, everyMs: number) => {
  const timer = setInterval(write, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
};
const inflight = async () => /^inflight\{service="gateway"\} (\d+)/m.exec(await node.metrics.exposition())?.[1];

describe('slow clients, at 8 times the speed of the clock', () => {
  it('a header block byte by byte: 408 after 5 s, however it drips', async () => {
    using client = new RawHttp(port);
    client.say('GET / HTTP/1.1\r\nHost: n\r\nX-Slow: ');
    using _drip = drip(() => client.say('a'), 10);
    await timesOut(client);
  });

  it('no request at all: closed after 5 s', async () => {
    using client = new RawHttp(port);
    await client.end();
  });

  it('a body that stops: 408, and nothing in flight', async () => {
    using client = new RawHttp(port);
    client.say(`PUT /put HTTP/1.1\r\nHost: n\r\n${auth()}\r\nContent-Length: 100000\r\n\r\nabc`);
    await timesOut(client);
    await eventually(async () => (await inflight()) === '0', { what: 'nothing is in flight' });
  });

  it('a body below 1 KiB/s: 408, however steadily it drips', async () => {
    using client = new RawHttp(port);
    client.say(`PUT /put HTTP/1.1\r\nHost: n\r\n${auth()}\r\nContent-Length: 100000\r\n\r\n`);
    using _drip = drip(() => client.say('ab'), 5);
    await timesOut(client);
  });

  it('a JSON body that stops: 408', async () => {
    using client = new RawHttp(port);
    client.say(`POST /o/has HTTP/1.1\r\nHost: n\r\n${auth()}\r\nContent-Length: 100\r\n\r\n{"addr`);
    await timesOut(client);
  });

  it('readers that stop are cut off, others are served meanwhile', async () => {
    const bytes = Buffer.alloc(32 * 1_048_576, 0x71);
    const headers = { Authorization: `Bearer ${capability}` };
    const stored = await ask(port, { method: 'PUT', target: '/put', headers, body: bytes });
    const { address } = JSON.parse(stored.body.toString()) as { address: string };
    const readers = Array.from({ length: 20 }, () => new RawHttp(port));
    for (const reader of readers) {
      reader.socket.pause();
      reader.say(`GET /o/${address} HTTP/1.1\r\nHost: n\r\n${auth()}\r\n\r\n`);
    }
    await eventually(async () => Number(await inflight()) > 0, { what: 'the readers are being served' });
    const good = await ask(port, { target: `/o/${address}`, headers: { ...headers, Range: 'bytes=5-9' } });
    expect([good.status, good.body.toString()]).toEqual([206, 'qqqqq']);
    await eventually(async () => (await inflight()) === '0', { what: 'every stopped reader is cut off' });
    for (const reader of readers) reader[Symbol.dispose]();
  });

  it('60 idle keep-alive connections are closed after 5 s', async () => {
    const clients = Array.from({ length: 60 }, () => new RawHttp(port).say('GET /healthz HTTP/1.1\r\nHost: n\r\n\r\n'));
    for (const client of clients) expect((await client.reply()).status).toBe(200);
    await Promise.all(clients.map((client) => client.end()));
  });
});

describe('slow OAP peers', () => {
  const goodbye = async (client: RawOap, reason: string) => {
    const heard = await client.next(({ app, stream, code }) => app === 0 && stream === 0 && code >= 400);
    expect([envelopeIn(heard).code, envelopeIn(heard).details?.reason]).toEqual(['request_timeout', reason]);
    await client.end();
  };

  it('no HELLO in 5 s', async () => {
    using client = new RawOap(oapPort);
    await goodbye(client, 'handshake_timeout');
  });

  it('a HELLO byte by byte', async () => {
    using client = new RawOap(oapPort);
    const bytes = frame({ flags: oneShot, payload: JSON.stringify({ proto: 'OAP/1', agent: 'a'.repeat(100) }) });
    let at = 0;
    using _drip = drip(() => client.say(bytes.subarray(at, ++at)), 20);
    await goodbye(client, 'handshake_timeout');
  });

  it('a frame that stops', async () => {
    using client = await new RawOap(oapPort).ready();
    client.say(frame({ flags: oneShot, app: gatewayApp, stream: 1, len: 1_000_000 }));
    await goodbye(client, 'slow_frame');
  });

  it('idle without streams for 60 s: closed, without complaint', async () => {
    using client = await new RawOap(oapPort).ready();
    await client.end();
    expect(client.frames).toEqual([]);
  });
});
