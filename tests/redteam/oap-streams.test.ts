import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, residentBytes, startNodeProcess } from '../support/node-process.ts';
import { envelopeIn, expectStreamRefusal, expectViolation, request } from './oap-attack.ts';
import { baseline } from './oracle.ts';
import { END, EVENT, frame, gatewayApp, oneShot, payloadOf, RawOap, REQ, START } from './raw-oap.ts';
import { eventually, metricsOf } from './signs.ts';

let node: NodeProcess;
beforeAll(async () => {
  node = await startNodeProcess({ args: ['--set', 'server.log_level=info', '--oap', '127.0.0.1:0'] });
});
afterAll(() => node[Symbol.asyncDispose]());

const MiB = 1_048_576;
const upload = (stream: number) => request(node.capability, stream, 'put', '{}', { flags: REQ | START });
const body = (stream: number, bytes: Uint8Array, flags = REQ) =>
  frame({ flags, app: gatewayApp, stream, payload: payloadOf('', bytes) });
const cancel = (stream: number) => frame({ flags: EVENT, code: 499, stream });
const whoami = (stream: number) => request(node.capability, stream, 'whoami', '{}');

async function store(client: RawOap, stream: number, bytes: Buffer): Promise<string> {
  client.say(upload(stream));
  for (let at = 0; at < bytes.length; at += 512 * 1_024) client.say(body(stream, bytes.subarray(at, at + 512 * 1_024)));
  client.say(body(stream, Buffer.alloc(0), REQ | END));
  const answer = await client.answer(stream);
  expect(answer.code).toBe(0);
  return (/"address":"(b3:[0-9a-f]{64})"/.exec(answer.payload.toString()) as RegExpExecArray)[1]!;
}

describe('streams', () => {
  it('63 and 64 open streams are served, the 65th is refused, and frees itself', async () => {
    const before = await baseline(node);
    using client = await new RawOap(node.oapPort).ready();
    for (let stream = 1; stream <= 64; stream++) client.say(upload(stream));
    client.say(whoami(65));
    const refused = await client.answer(65);
    expect([refused.code, envelopeIn(refused).code]).toEqual([503, 'unavailable']);
    client.say(body(1, Buffer.from('a'), REQ | END));
    expect((await client.answer(1)).code).toBe(0);
    client.say(whoami(66));
    expect((await client.answer(66)).code).toBe(0);
    for (let stream = 2; stream <= 64; stream++) client.say(body(stream, Buffer.from('b'), REQ | END));
    for (let stream = 2; stream <= 64; stream++) expect((await client.answer(stream)).code).toBe(0);
    client[Symbol.dispose]();
    await before.survived({ counted: 'unavailable' });
  });

  it('100 refused uploads leave the connection as usable as a fresh one', async () => {
    using client = await new RawOap(node.oapPort).ready();
    for (let stream = 1; stream <= 100; stream++) {
      client.say(request('', stream, 'put', '{}', { flags: REQ | START }), body(stream, Buffer.alloc(200_000)));
    }
    for (let stream = 1; stream <= 100; stream++) expect((await client.answer(stream)).code).toBe(401);
    const bytes = Buffer.alloc(MiB - 1, 0x63);
    expect(await store(client, 200, bytes)).toMatch(/^b3:/);
  });

  it('a wrong address: bad_digest, nothing stored', async () => {
    const input = JSON.stringify({ address: `b3:${'2'.repeat(64)}` });
    await expectStreamRefusal(node, 'bad_digest', (client) => {
      client.say(
        request(node.capability, 1, 'put_at', input, { flags: REQ | START }),
        body(1, Buffer.from('x'), REQ | END),
      );
    });
    await expectStreamRefusal(
      node,
      'not_found',
      (client) => void client.say(request(node.capability, 1, 'get', input)),
    );
  });

  it('a malformed header of body bytes ends that stream', () =>
    expectStreamRefusal(node, 'bad_request', (client) => {
      client.say(
        upload(1),
        frame({ flags: REQ, app: gatewayApp, stream: 1, payload: payloadOf('{"obj":"b3:../"}', 'x') }),
      );
    }));

  it('`obj` that lies about the bytes does not make them so', async () => {
    using client = await new RawOap(node.oapPort).ready();
    const header = JSON.stringify({ obj: `b3:${'3'.repeat(64)}`, off: 0 });
    client.say(
      upload(1),
      frame({ flags: REQ | END, app: gatewayApp, stream: 1, payload: payloadOf(header, 'honest') }),
    );
    const answer = await client.answer(1);
    expect(answer.payload.toString()).not.toContain('b3:333');
  });

  it('a capability of 4,097 bytes: headers_too_large; of 4,096: judged', async () => {
    await expectStreamRefusal(
      node,
      'headers_too_large',
      (client) => void client.say(request('a'.repeat(4_097), 1, 'whoami', '{}')),
    );
    await expectStreamRefusal(
      node,
      'unauthenticated',
      (client) => void client.say(request('a'.repeat(4_096), 1, 'whoami', '{}')),
    );
  });

  it('a header of 16,384 bytes passes, of 16,385 not', async () => {
    const padded = (length: number) => {
      const json = '{"op":"whoami","corr_id":"red-team-0002"}';
      return payloadOf(json + ' '.repeat(length - json.length), '{}');
    };
    const sent = (length: number) =>
      frame({ flags: oneShot, app: gatewayApp, stream: 1, capability: node.capability, payload: padded(length) });
    for (const length of [16_383, 16_384]) {
      using client = await new RawOap(node.oapPort).ready();
      client.say(sent(length));
      expect((await client.answer(1)).code).toBe(0);
    }
    await expectStreamRefusal(node, 'headers_too_large', (client) => void client.say(sent(16_385)));
  });
});

describe('credit', () => {
  it('one byte past the credit of a stream that nobody reads closes', () =>
    expectViolation(node, 'credit_exceeded', async (client) => {
      await client.ready();
      // A frame is charged when it begins: no reader can have granted anything for it.
      client.say(upload(1), body(1, Buffer.alloc(MiB - 40 - 33)), body(1, Buffer.alloc(512 * 1_024)));
      client.say(body(1, Buffer.alloc(MiB - 40 - 33)), body(1, Buffer.alloc(MiB - 40 - 33)));
    }));

  it('32 MiB that are late by a cancel are dropped, counted and granted again', async () => {
    const before = await baseline(node);
    using client = await new RawOap(node.oapPort).ready();
    client.say(upload(1), cancel(1));
    for (let i = 0; i < 64; i++) {
      client.say(body(1, Buffer.alloc(MiB / 2)));
      if (i % 8 === 7) await client.next((heard) => heard.code === 100 && heard.stream === 0);
    }
    client.say(whoami(2));
    expect((await client.answer(2)).code).toBe(0);
    client[Symbol.dispose]();
    await before.survived();
  });

  it('a reader that never reads is cut off, and costs no more than its bound', async () => {
    const before = await baseline(node);
    using writer = await new RawOap(node.oapPort).ready();
    const address = await store(writer, 1, Buffer.alloc(MiB - 1, 0x64));
    writer[Symbol.dispose]();
    const resident = residentBytes(node.pid);
    using client = await new RawOap(node.oapPort).ready();
    client.socket.pause();
    const get = (stream: number) => request(node.capability, stream, 'get', JSON.stringify({ address }));
    for (let stream = 1; stream <= 60; stream++) client.say(get(stream));
    expect(residentBytes(node.pid) - resident).toBeLessThan(64 * MiB);
    // Bodies wait for it. Small answers do not: they add up until it is cut off.
    let stream = 61;
    const cutOff = async () => {
      const pieces = Array.from({ length: 1_000 }, () => whoami(stream++));
      client.say(...pieces);
      return [...(await metricsOf(node.port))].some(([name]) => name.includes('reason="peer_not_reading"'));
    };
    await eventually(cutOff, { what: 'a reader that never reads is cut off', seen: () => stream });
    expect(residentBytes(node.pid) - resident).toBeLessThan(128 * MiB);
    client[Symbol.dispose]();
    await before.survived();
  });
});

describe('storms', () => {
  it('5,000 opens and cancels leave no stream, no call in flight and a usable connection', async () => {
    const before = await baseline(node);
    using client = await new RawOap(node.oapPort).ready();
    for (let round = 0; round < 50; round++) {
      const pieces: Buffer[] = [];
      for (let i = 1; i <= 100; i++) pieces.push(upload(round * 100 + i), cancel(round * 100 + i));
      client.say(...pieces);
    }
    client.say(whoami(10_000));
    expect((await client.answer(10_000)).code).toBe(0);
    client[Symbol.dispose]();
    await before.survived();
  });

  it('10,000 cancels of a finished stream are nothing', async () => {
    const before = await baseline(node);
    using client = await new RawOap(node.oapPort).ready();
    client.say(whoami(1));
    await client.answer(1);
    client.say(...Array.from({ length: 10_000 }, () => cancel(1)), whoami(2));
    expect((await client.answer(2)).code).toBe(0);
    client[Symbol.dispose]();
    await before.survived();
  });

  it('300 connections in a burst, each gone in the middle of an upload', async () => {
    const before = await baseline(node);
    for (let round = 0; round < 6; round++) {
      const clients = await Promise.all(Array.from({ length: 50 }, () => new RawOap(node.oapPort).ready()));
      for (const client of clients) client.say(upload(1), body(1, Buffer.alloc(10_000)));
      for (const client of clients) client.socket.resetAndDestroy();
    }
    await before.survived();
    await eventually(async () => (await metricsOf(node.port)).get('oap_connections') === 0, {
      what: 'no connection is left',
    });
  });
});
