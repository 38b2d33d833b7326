import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Histogram } from './histogram.ts';
import { acknowledgement, createRequests } from './lane-requests.ts';
import { OpenLoop, reasonOf } from './open-loop.ts';
import type { Lane, LoadPlan, RequestKind } from './plan.ts';
import { createRandom } from './random.ts';

const servers: Disposable[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server[Symbol.dispose]();
});

/** Calls back with each head that comes on any connection. */
async function serve(onRequest: (socket: Socket, nth: number, head: string) => void): Promise<number> {
  let requests = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      const head = bytes.toString('latin1');
      if (head.endsWith('\r\n\r\n')) onRequest(socket, requests++, head);
    });
  });
  servers.push({
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

const get: RequestKind = { kind: 'get', name: 'get', share: 1, targets: ['/x'], bytes: 2 };
const lane = (perSecond: number, seconds = 0.2): Lane => {
  const phases = [{ name: 'all', seconds, perSecond }];
  return { name: 'a', capability: 'c', arrivals: 'constant', phases, requests: [get] };
};
/** On a busy machine the generator and the server of a test are late themselves: only tests about a time set it short. */
const limits = {
  addressFrom: 0,
  connectionsMax: 4,
  connectionsPerAddressMax: 48,
  waitMs: 30_000,
  deadlineMs: 30_000,
  giveUpMs: 40_000,
};
const plan = (port: number, more: Partial<LoadPlan> = {}): LoadPlan => {
  return { host: '127.0.0.1', port, lanes: [lane(100)], seed: 1, bucketMs: 100, ...limits, ...more };
};
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('an open loop', () => {
  it('counts what is right as goodput, at the rate of its schedule', async () => {
    const port = await serve((socket) => socket.write(ok));
    const { phases, timelines } = await new OpenLoop(plan(port)).run();
    expect(phases[0]!.offered).toBeGreaterThanOrEqual(19);
    expect(phases[0]).toMatchObject({ good: phases[0]!.offered, late: 0, refused: {}, failed: {} });
    expect(timelines['a']!.reduce((sum, { good }) => sum + good, 0)).toBe(phases[0]!.good);
  });

  it('sees a stall from the time at which each request was due: no coordinated omission', async () => {
    // One connection; the first answer comes after 150 ms, the others at once. A closed loop would see one slow answer.
    const port = await serve((socket, nth) => {
      if (nth === 0) setTimeout(() => socket.write(ok), 150);
      else socket.write(ok);
    });
    const { phases } = await new OpenLoop(plan(port, { connectionsMax: 1 })).run();
    const latency = Histogram.unpack(phases[0]!.latency);
    expect(phases[0]!.good).toBe(phases[0]!.offered);
    // 15 of 20 were due during the stall, evenly: the median waited for half of what was left.
    expect(latency.percentileMs(50)).toBeGreaterThan(30);
  });

  it('goes on sending while nothing is answered, to its bound of connections, and gives up', async () => {
    const port = await serve(() => undefined);
    const { phases, generator } = await new OpenLoop(plan(port, { giveUpMs: 300, deadlineMs: 200, waitMs: 50 })).run();
    const { offered, failed, good } = phases[0]!;
    expect(good).toBe(0);
    expect(generator.connectionsPeak).toBe(4);
    expect(failed['no answer']).toBeGreaterThanOrEqual(4);
    expect(Object.values(failed).reduce((sum, each) => sum + each, 0)).toBe(offered);
    expect(Histogram.unpack(phases[0]!.latency).percentileMs(1)).toBeGreaterThanOrEqual(200);
  });

  it('gives each lane its own connections: one that is not answered takes none from another', async () => {
    const offered = 19;
    let answered = 0;
    const held: Socket[] = [];
    // The first lane gets nothing until the second has all of its answers.
    const port = await serve((socket, _nth, head) => {
      if (head.startsWith('GET /held')) held.push(socket);
      else socket.write(ok);
      answered += head.startsWith('GET /held') ? 0 : 1;
      if (answered >= offered) for (const waiting of held.splice(0)) waiting.write(ok);
    });
    const stuck = { ...lane(200), name: 'stuck', requests: [{ ...get, targets: ['/held'] }] };
    const { phases, generator } = await new OpenLoop(plan(port, { lanes: [stuck, lane(100)] })).run();
    const [last, first] = phases;
    expect(first).toMatchObject({ lane: 'a', good: first!.offered, failed: {} });
    expect(first!.offered).toBeGreaterThanOrEqual(offered);
    expect(last).toMatchObject({ lane: 'stuck', good: last!.offered });
    expect(generator.connectionsPeak).toBeLessThanOrEqual(limits.connectionsMax);
  });

  it('counts late answers apart', async () => {
    const port = await serve((socket) => setTimeout(() => socket.write(ok), 60));
    const lanes = [lane(20)];
    const { phases } = await new OpenLoop(plan(port, { lanes, deadlineMs: 30 })).run();
    expect(phases[0]).toMatchObject({ good: 0, late: phases[0]!.offered });
  });

  it('names refusals by status, code and gate, and reads on afterwards', async () => {
    const body = '{"code":"unavailable","message":"m","details":{"gate":"inflight"}}';
    const port = await serve((socket, nth) =>
      socket.write(nth % 2 ? ok : `HTTP/1.1 503 no\r\ncontent-length: ${body.length}\r\n\r\n${body}`),
    );
    const { phases } = await new OpenLoop(plan(port, { connectionsMax: 1 })).run();
    expect(Object.keys(phases[0]!.refused)).toEqual(['503 unavailable:inflight']);
    expect(phases[0]!.good).toBeGreaterThan(5);
  });

  it.each([
    ['another length', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad', 'a body of another length'],
    ['no length', 'HTTP/1.1 200 OK\r\n\r\nok', 'an answer without Content-Length'],
    ['too many bytes', `${ok}!`, 'bytes after the answer'],
    ['no HTTP', 'hello\r\n\r\n', 'not an answer of HTTP/1.1'],
  ])('does not take %s for an answer', async (_, answer, reason) => {
    const port = await serve((socket) => socket.write(answer));
    const { phases } = await new OpenLoop(plan(port, { lanes: [lane(20)] })).run();
    expect(phases[0]).toMatchObject({ good: 0, failed: { [reason]: phases[0]!.offered } });
  });

  it('takes an answer in any pieces', async () => {
    const port = await serve((socket) => {
      let at = 0;
      const timer = setInterval(() => {
        socket.write(ok[at]!);
        at += 1;
        if (at === ok.length) clearInterval(timer);
      }, 1);
    });
    const { phases } = await new OpenLoop(plan(port, { lanes: [lane(10)], connectionsMax: 48 })).run();
    expect(phases[0]!.good).toBe(phases[0]!.offered);
  });

  it('repeats a read when a connection that had answered was closed under it, and nothing else', async () => {
    const answered = new Set<Socket>();
    let closed = 0;
    const port = await serve((socket) => {
      if (answered.has(socket) && closed === 0) {
        closed += 1;
        socket.destroy();
      } else {
        answered.add(socket);
        socket.write(ok);
      }
    });
    const { phases } = await new OpenLoop(plan(port, { connectionsMax: 2 })).run();
    expect(phases[0]).toMatchObject({ good: phases[0]!.offered, repeated: 1, failed: {} });
    const always = await serve((socket) => socket.destroy());
    const never = await new OpenLoop(plan(always, { lanes: [lane(20)] })).run();
    expect(never.phases[0]).toMatchObject({ good: 0, repeated: 0 });
  });
});

describe('what goes on the wire', () => {
  const drawn = (request: RequestKind) => {
    const draw = createRequests({ ...lane(1), requests: [request] }, 'h:1', createRandom(1));
    return [draw(), draw()].map(({ bytes }) => Buffer.from(bytes as Uint8Array).toString('latin1'));
  };

  it('writes bodies that nobody has sent, of the length that it says', () => {
    const [first, second] = drawn({ kind: 'put', name: 'p', share: 1, method: 'PUT', target: '/put', bytes: 100 });
    expect(first).toMatch(
      /^PUT \/put HTTP\/1\.1\r\nHost: h:1\r\nAuthorization: Bearer c\r\nContent-Length: 100\r\n\r\n/,
    );
    expect(first!.split('\r\n\r\n')[1]).toHaveLength(100);
    expect(first).not.toBe(second);
  });

  it('acknowledges the leases of an answer, and nothing when none came', () => {
    const found = acknowledgement(lane(1), 'h:1', 'b', '{"messages":[{"lease":"L1"},{"lease":"L2"}]}');
    expect(found?.bytes).toContain('{"leases":["L1","L2"]}');
    expect(acknowledgement(lane(1), 'h:1', 'b', '{"messages":[]}')).toBeUndefined();
  });

  it('names a refusal that is no envelope by its status', () => {
    expect(reasonOf({ status: 502, bodyBytes: 3, body: '<p>' })).toBe('502');
    const body = '{"code":"quota_exhausted","details":{"quota":"requests"}}';
    expect(reasonOf({ status: 429, bodyBytes: 1, body })).toBe('429 quota_exhausted:requests');
  });
});
