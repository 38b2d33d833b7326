import net from 'node:net';
import { type Attack, many, type Setting, Tally, type Target } from '../attack.ts';
import {
  CONTINUATION,
  DATA,
  HEADERS,
  h2Frame,
  h2Get,
  PING,
  PRIORITY,
  RawH2,
  RESET,
  SETTINGS,
  WINDOW,
} from '../raw-h2.ts';
import { addressOf } from './settings.ts';

const tls: Setting = { kind: 'omnigate-tls' };
const [endStream, endHeaders] = [1, 4];
const word = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** One kind of flood on eight connections: each must be ended by the server, before it cost much. */
function flood(
  name: string,
  piece: (round: number) => Uint8Array[],
  prelude: (target: Target) => Uint8Array[] = () => [],
): Attack {
  return {
    name,
    area: 'http2',
    expected: 'GOAWAY or closed; the others are served',
    quick: true,
    setting: tls,
    tolerance: { slowdownMax: 10 },
    async run(target) {
      const tally = new Tally();
      await many(8, 4, async (index) => {
        using client = await RawH2.connect(target.port, addressOf(index));
        client.say(...prelude(target));
        for (let round = 0; round < 400 && client.open; round++) {
          client.say(...piece(round));
          await new Promise((resolve) => setImmediate(resolve));
        }
        const ended = await client.endsWithin(15_000);
        tally.add(ended ? `ended, ${client.goaway ?? 'no'} GOAWAY` : 'still open');
        target.check(ended, 'a flooding connection stays open');
      });
      target.saw(String(tally));
    },
  };
}

const times = (count: number, make: (at: number) => Uint8Array) => Array.from({ length: count }, (_, at) => make(at));
const headersOf = (stream: number, block: Uint8Array, flags = endHeaders | endStream) =>
  h2Frame(HEADERS, flags, stream, block);

const rapidReset = flood('rapid reset: 40,000 requests opened and cancelled', (round) => {
  const block = h2Get('/healthz');
  return times(100, (at) => {
    const stream = 1 + 2 * (round * 100 + at);
    return Buffer.concat([headersOf(stream, block), h2Frame(RESET, 0, stream, word(8))]);
  });
});

const madeYouReset = flood('resets that the server is made to send, 40,000', (round) => {
  const block = h2Get('/healthz');
  // A window update of 0 is a stream error: RFC 9113, section 6.9.
  return times(100, (at) => {
    const stream = 1 + 2 * (round * 100 + at);
    return Buffer.concat([headersOf(stream, block, endHeaders), h2Frame(WINDOW, 0, stream, word(0))]);
  });
});

const settings = flood('SETTINGS flood, 200,000', () => times(500, () => h2Frame(SETTINGS, 0, 0)));
const pings = flood('PING flood, 200,000', () => times(500, () => h2Frame(PING, 0, 0, Buffer.alloc(8))));
const continuation = flood(
  'CONTINUATION without end, 25 MiB of headers',
  () => [h2Frame(CONTINUATION, 0, 1, Buffer.alloc(8_192, 0))],
  () => [h2Frame(HEADERS, 0, 1, h2Get('/healthz'))],
);
const emptyData = flood(
  'empty DATA frames, 200,000',
  () => times(500, () => h2Frame(DATA, 0, 1)),
  () => [h2Frame(HEADERS, endHeaders, 1, h2Get('/healthz'))],
);
const priorities = flood('PRIORITY flood, 200,000', (round) =>
  times(500, (at) => h2Frame(PRIORITY, 0, 1 + 2 * ((round * 500 + at) % 10_000), Buffer.of(0, 0, 0, 0, 255))),
);

const zeroWindow: Attack = {
  name: 'zero window: 40 connections × 90 streams, never read',
  area: 'http2',
  expected: 'cut off by itself; memory bounded',
  quick: false,
  setting: tls,
  tolerance: { heapBytesMax: 32 * 1_048_576, slowdownMax: 10 },
  async run(target) {
    const clients: RawH2[] = [];
    const setting = Buffer.concat([Buffer.of(0, 4), word(0)]);
    for (let at = 0; at < 40; at++) {
      const client = await RawH2.connect(target.port, addressOf(at));
      clients.push(client.say(h2Frame(SETTINGS, 0, 0, setting)));
      for (let stream = 1; stream < 180; stream += 2) client.say(headersOf(stream, h2Get('/openapi.json')));
    }
    const ended = await Promise.all(clients.map((client) => client.endsWithin(45_000)));
    target.check(ended.every(Boolean), `${ended.filter((end) => !end).length} of 40 are still open after 45 s`);
    for (const client of clients) client[Symbol.dispose]();
    target.saw(`${ended.filter(Boolean).length} of 40 ended`);
  },
};

const plainToTls: Attack = {
  name: 'plain bytes and half handshakes to the TLS port, × 400',
  area: 'http2',
  expected: 'closed; nothing left',
  quick: false,
  setting: tls,
  async run(target) {
    const hello = Buffer.from('16030102000100', 'hex');
    const words = ['GET / HTTP/1.1\r\nHost: n\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', hello, '\x80\x2e\x01', ''];
    const tally = new Tally();
    await many(400, 40, async (index) => {
      const socket = net.connect({ host: '127.0.0.1', port: target.port, ...addressOf(index) });
      socket.on('error', () => undefined); // Refused with a reset: its close is what counts.
      socket.write(words[index % words.length]!);
      const begun = performance.now();
      await new Promise((resolve) => socket.resume().once('close', resolve));
      tally.add(performance.now() - begun < 1_000 ? 'closed at once' : 'closed at its deadline');
    });
    target.saw(String(tally));
  },
};

export const http2: readonly Attack[] = [
  ...[rapidReset, madeYouReset, settings, pings, continuation, emptyData, priorities],
  ...[zeroWindow, plainToTls],
];
