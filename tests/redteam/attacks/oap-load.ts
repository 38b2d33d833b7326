import { type Attack, many, Tally } from '../attack.ts';
import { request } from '../oap-attack.ts';
import { ACK_REQ, frame, gatewayApp, oneShot, RawOap } from '../raw-oap.ts';
import { metricsOf, within } from '../signs.ts';
import { body, cancel, goodbye, MiB, noneLeft, upload, whoami } from './oap-words.ts';
import { plain } from './settings.ts';

const tooMany: Attack = {
  name: '2,000 streams on one connection, 60 connections',
  area: 'oap',
  expected: '64 at once, the others 503; the connection stays',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    using client = await new RawOap(target.node.oapPort).ready();
    for (let stream = 1; stream <= 2_000; stream++) client.say(upload(target, stream));
    for (let stream = 65; stream <= 2_000; stream++) tally.add((await client.answer(stream)).code);
    target.check(tally.of(503) === 1_936, String(tally));
    for (let stream = 1; stream <= 64; stream++) client.say(cancel(stream));
    client.say(whoami(target, 3_000));
    target.check((await client.answer(3_000)).code === 0, 'the connection is of no use any more');
    const others = await Promise.all(Array.from({ length: 60 }, () => new RawOap(target.node.oapPort).ready()));
    for (const other of others) for (let stream = 1; stream <= 64; stream++) other.say(upload(target, stream));
    await Promise.all(others.map((other) => other.say(whoami(target, 100)).answer(100)));
    for (const other of others) other[Symbol.dispose]();
    target.counted('unavailable');
    target.saw(String(tally));
    client[Symbol.dispose]();
    await noneLeft(target);
  },
};

const pastCredit: Attack = {
  name: 'data past the credit, 40 connections',
  area: 'oap',
  expected: 'credit_exceeded, closed',
  quick: true,
  setting: plain,
  tolerance: { heapBytesMax: 32 * MiB },
  async run(target) {
    const tally = new Tally();
    await many(40, 8, async () => {
      using client = await new RawOap(target.node.oapPort).ready();
      client.say(upload(target, 1));
      for (let sent = 0; sent < 6; sent++) client.say(body(1, Buffer.alloc(MiB - 80)));
      tally.add(await goodbye(client));
    });
    target.check(tally.of('credit_exceeded') > 20, String(tally));
    target.counted('credit_exceeded');
    target.saw(String(tally));
    await noneLeft(target);
  },
};

const neverReads: Attack = {
  name: 'peers that never read their answers, × 3',
  area: 'oap',
  expected: 'peer_not_reading, cut off; memory bounded',
  quick: false,
  setting: plain,
  tolerance: { heapBytesMax: 32 * MiB },
  async run(target) {
    const stored = await target.ask({ method: 'PUT', target: '/put', body: Buffer.alloc(MiB, 0x64) });
    const { address } = JSON.parse(stored.body.toString()) as { address: string };
    const clients = await Promise.all(Array.from({ length: 3 }, () => new RawOap(target.node.oapPort).ready()));
    try {
      for (const client of clients) {
        client.socket.pause();
        const get = (stream: number) => request(target.node.capability, stream, 'get', JSON.stringify({ address }));
        // Bodies wait for who does not read. Small answers do not: they add up.
        for (let stream = 1; stream <= 60; stream++) client.say(get(stream));
      }
      let stream = 61;
      const cutOff = async () => {
        const pieces = Array.from({ length: 2_000 }, () => whoami(target, stream++));
        for (const client of clients) {
          client.say(...pieces);
        }
        return [...(await metricsOf(target.port))].some(
          ([name, value]) => name.includes('reason="peer_not_reading"') && value > 0,
        );
      };
      target.check(await within(30_000, cutOff), 'nobody was cut off');
      target.counted('peer_not_reading');
      target.saw(`after ${stream} asks`);
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
    await noneLeft(target);
  },
};

const storm: Attack = {
  name: 'cancel storms: 20,000 opens and cancels',
  area: 'oap',
  expected: 'no stream left, the connection as good as new',
  quick: false,
  setting: plain,
  // Each is a call that begins, and one process has one loop: it is slow meanwhile and refuses some.
  tolerance: { slowdownMax: 40, shedShareMax: 0.9 },
  async run(target) {
    const clients = await Promise.all(Array.from({ length: 4 }, () => new RawOap(target.node.oapPort).ready()));
    await Promise.all(
      clients.map(async (client) => {
        for (let round = 0; round < 100; round++) {
          const pieces: Buffer[] = [];
          for (let at = 1; at <= 50; at++) pieces.push(upload(target, round * 50 + at), cancel(round * 50 + at));
          client.say(...pieces);
          await new Promise((resolve) => setImmediate(resolve));
        }
        let stream = 100_000;
        const served = async () => (await client.say(whoami(target, ++stream)).answer(stream)).code === 0;
        target.check(await within(30_000, served), 'the connection is of no use any more');
      }),
    );
    for (const client of clients) client[Symbol.dispose]();
    await noneLeft(target);
  },
};

const slow: Attack = {
  name: 'one byte a second: 200 handshakes, 200 frames',
  area: 'oap',
  expected: 'handshake_timeout after 5 s, slow_frame',
  quick: false,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    const word = frame({ flags: oneShot, payload: JSON.stringify({ proto: 'OAP/1', agent: 'a'.repeat(100) }) });
    const slowly = async (client: RawOap, words: Buffer) => {
      let at = 0;
      const timer = setInterval(() => void client.say(words.subarray(at, ++at)), 1_000);
      tally.add(await goodbye(client));
      clearInterval(timer);
    };
    const clients = Array.from({ length: 30 }, () => new RawOap(target.node.oapPort));
    const others = await Promise.all(Array.from({ length: 30 }, () => new RawOap(target.node.oapPort).ready()));
    await Promise.all([
      ...clients.map((client) => slowly(client, word)),
      ...others.map((client) => slowly(client, request(target.node.capability, 1, 'put', '{}', { len: 900_000 }))),
    ]);
    for (const client of [...clients, ...others]) client[Symbol.dispose]();
    target.check(tally.of('handshake_timeout') === 30, String(tally));
    target.counted('handshake_timeout');
    target.saw(String(tally));
    await noneLeft(target);
  },
};

const acknowledgements: Attack = {
  name: '5,000 frames in one segment, each asks for ACK',
  area: 'oap',
  expected: 'each served or refused, none lost',
  quick: true,
  setting: plain,
  async run(target) {
    using client = await new RawOap(target.node.oapPort).ready();
    const tally = new Tally();
    client.say(
      ...Array.from({ length: 5_000 }, (_, at) =>
        request(target.node.capability, at + 1, 'whoami', '{}', { flags: oneShot | ACK_REQ }),
      ),
    );
    for (let left = 5_000; left > 0; left--) tally.add((await client.next(({ app }) => app === gatewayApp)).code);
    target.check(tally.of(0) + tally.of(503) === 5_000 && tally.of(0) >= 64, String(tally));
    target.saw(String(tally));
    client[Symbol.dispose]();
    await noneLeft(target);
  },
};

export const oapLoad: readonly Attack[] = [tooMany, pastCredit, neverReads, storm, acknowledgements, slow];
