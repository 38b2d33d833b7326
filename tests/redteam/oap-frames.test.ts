import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, residentBytes, startNodeProcess } from '../support/node-process.ts';
import { corrId, expectStreamRefusal, expectViolation, request } from './oap-attack.ts';
import { baseline } from './oracle.ts';
import {
  ACK_REQ,
  APP_E2E,
  COMP,
  END,
  EVENT,
  frame,
  gatewayApp,
  hello,
  oneShot,
  payloadOf,
  probe,
  RawOap,
  REQ,
  RESP,
  START,
} from './raw-oap.ts';

let node: NodeProcess;
beforeAll(async () => {
  node = await startNodeProcess({ args: ['--set', 'server.log_level=info', '--oap', '127.0.0.1:0'] });
});
afterAll(() => node[Symbol.asyncDispose]());

const maxFrame = 1_048_576;
const ask = (stream: number, more = {}) => request(node.capability, stream, 'whoami', '{}', more);

describe('frame lengths', () => {
  for (const len of [0, 1, 32]) {
    it(`len ${len}`, () =>
      expectViolation(node, 'len_too_small', async (c) => void (await c.ready()).say(frame({ len }))));
  }
  for (const len of [maxFrame + 1, 0x7fffffff, 0xffffffff]) {
    it(`len ${len}, told from four bytes, before anything is allocated`, async () => {
      const before = residentBytes(node.pid);
      await expectViolation(
        node,
        'len_too_large',
        async (c) => void (await c.ready()).say(frame({ len }).subarray(0, 4)),
      );
      expect(residentBytes(node.pid) - before).toBeLessThan(64 * 1_048_576);
    });
  }

  it('len 33 is a frame', () =>
    expectViolation(node, 'second_hello', async (c) => void (await c.ready()).say(frame({ flags: oneShot }))));

  it('before HELLO nobody gets a frame of more than a header', () =>
    expectViolation(node, 'len_too_large', (c) => void c.say(frame({ flags: oneShot, len: 33 + 16_385 }))));

  it('len max is a frame, and its body arrives', async () => {
    const before = await baseline(node);
    using client = await new RawOap(node.oapPort).ready();
    const header = payloadOf('');
    const body = Buffer.alloc(maxFrame - 33 - header.length, 0x61);
    client.say(request(node.capability, 1, 'put', '{}', { flags: REQ | START }));
    client.say(frame({ flags: REQ | END, app: gatewayApp, stream: 1, payload: payloadOf('', body) }));
    const answer = await client.answer(1);
    expect(answer.code).toBe(0);
    expect(answer.payload.toString()).toContain(`"size":${body.length}`);
    client[Symbol.dispose]();
    await before.survived();
  });

  it('a frame that never ends, then FIN', async () => {
    const before = await baseline(node);
    using client = await new RawOap(node.oapPort).ready();
    client.say(frame({ flags: oneShot, app: gatewayApp, stream: 1, len: 1_000, payload: 'PAYLOAD-MARK-7f3a' }));
    client.socket.end();
    await client.end();
    await before.survived({ counted: 'truncated_frame' });
  });

  it('60 connections that announce 1 MiB and send nothing cost no memory', async () => {
    const before = await baseline(node);
    const resident = residentBytes(node.pid);
    const clients = await Promise.all(Array.from({ length: 60 }, () => new RawOap(node.oapPort).ready()));
    for (const client of clients) client.say(frame({ flags: oneShot, app: gatewayApp, stream: 1, len: maxFrame }));
    for (const client of clients) client[Symbol.dispose]();
    await before.survived({ counted: 'truncated_frame' });
    expect(residentBytes(node.pid) - resident).toBeLessThan(48 * 1_048_576);
  });
});

describe('splits', () => {
  it('one byte at a time is the same request', async () => {
    const before = await baseline(node);
    using client = new RawOap(node.oapPort);
    for (const byte of Buffer.concat([probe, ask(1)])) {
      client.say(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await client.answer(1)).code).toBe(0);
    client[Symbol.dispose]();
    await before.survived();
  });

  it('1,000 frames in one segment are 1,000 requests', async () => {
    const before = await baseline(node);
    using client = await new RawOap(node.oapPort).ready();
    client.say(...Array.from({ length: 1_000 }, (_, i) => ask(i + 1)));
    const codes = new Map<number, number>();
    for (let i = 0; i < 1_000; i++) {
      const { code } = await client.next((heard) => heard.app === gatewayApp);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    // At most 64 are open at once; what comes above that is refused, none is lost and none closes the connection.
    expect((codes.get(0) ?? 0) + (codes.get(503) ?? 0)).toBe(1_000);
    expect(codes.get(0)).toBeGreaterThanOrEqual(64);
    client[Symbol.dispose]();
    await before.survived();
  });
});

describe('heads', () => {
  const violations: Record<string, [string, (capability: string) => Buffer]> = {
    'version 0': ['unknown_version', () => frame({ version: 0 })],
    'version 2': ['unknown_version', () => frame({ version: 2 })],
    'cap_len past the frame': [
      'capability_past_frame',
      () => frame({ flags: oneShot, app: gatewayApp, stream: 1, capabilityBytes: 9 }),
    ],
    'cap_len 65,535': [
      'capability_past_frame',
      () => frame({ flags: oneShot, app: gatewayApp, stream: 1, capabilityBytes: 65_535 }),
    ],
    'a capability without START': [
      'capability_without_start',
      () => frame({ flags: REQ, app: gatewayApp, stream: 1, capability: 'ron1_' }),
    ],
    'stream 2^53': ['stream_id_too_large', () => frame({ flags: oneShot, app: gatewayApp, stream: 2n ** 53n })],
    'stream 2^64-1': ['stream_id_too_large', () => frame({ flags: oneShot, app: gatewayApp, stream: 2n ** 64n - 1n })],
    'stream 0 of an application': ['stream_zero', () => frame({ flags: oneShot, app: gatewayApp })],
    'no kind': ['kind_ambiguous', () => frame({ flags: START, app: gatewayApp, stream: 1 })],
    'two kinds': ['kind_ambiguous', () => frame({ flags: REQ | RESP | START, app: gatewayApp, stream: 1 })],
    'a code on a request': ['code_on_request', () => frame({ flags: oneShot, code: 200, app: gatewayApp, stream: 1 })],
    'COMP without START': ['comp_without_start', () => frame({ flags: REQ | COMP, app: gatewayApp, stream: 1 })],
    'RESP without REQ': [
      'response_without_request',
      () => frame({ flags: RESP | START | END, app: gatewayApp, stream: 1 }),
    ],
    'EVENT from the opener': ['event_from_opener', () => frame({ flags: EVENT, app: gatewayApp, stream: 1 })],
    'END without START': ['data_without_start', () => frame({ flags: REQ | END, app: gatewayApp, stream: 1 })],
    'data without START': [
      'data_without_start',
      () => frame({ flags: REQ, app: gatewayApp, stream: 7, payload: payloadOf('', 'x') }),
    ],
    'HELLO twice': ['second_hello', () => hello()],
    'a probe twice': ['kind_ambiguous', () => probe],
    'a header past the payload': [
      'header_past_frame',
      () => frame({ flags: oneShot, app: gatewayApp, stream: 1, payload: Buffer.of(9, 0, 0x7b) }),
    ],
    'a payload of one byte': [
      'header_past_frame',
      () => frame({ flags: oneShot, app: gatewayApp, stream: 1, payload: Buffer.of(1) }),
    ],
    'a grant of nothing': ['credit_malformed', () => frame({ flags: EVENT, code: 100, payload: Buffer.alloc(4) })],
    'a grant of three bytes': ['credit_malformed', () => frame({ flags: EVENT, code: 100, payload: Buffer.alloc(3) })],
    'a grant past 2^32-1': [
      'credit_malformed',
      () => frame({ flags: EVENT, code: 100, payload: Buffer.alloc(4, 0xff) }),
    ],
    'cancel of stream 0': ['control_malformed', () => frame({ flags: EVENT, code: 499 })],
    'cancel of a stream that never was': ['control_malformed', () => frame({ flags: EVENT, code: 499, stream: 5 })],
    'cancel with a payload': ['control_malformed', () => frame({ flags: EVENT, code: 499, stream: 1, payload: 'x' })],
    'a duplicate START': [
      'duplicate_start',
      (capability) =>
        Buffer.concat([
          request(capability, 1, 'put', '{}', { flags: REQ | START }),
          request(capability, 1, 'put', '{}', { flags: REQ | START }),
        ]),
    ],
    'a stream_id that was used': [
      'stream_id_not_growing',
      (capability) =>
        Buffer.concat([
          request(capability, 5, 'put', '{}', { flags: REQ | START }),
          request(capability, 3, 'whoami', '{}'),
        ]),
    ],
    'data of another application': [
      'app_mismatch',
      (capability) =>
        Buffer.concat([
          request(capability, 1, 'put', '{}', { flags: REQ | START }),
          frame({ flags: REQ, app: 0x0301, stream: 1, payload: payloadOf('', 'x') }),
        ]),
    ],
  };
  for (const [what, [reason, bytes]] of Object.entries(violations)) {
    it(`${what}: ${reason}, and the connection closes`, () =>
      expectViolation(node, reason, async (client) => void (await client.ready()).say(bytes(node.capability))));
  }

  it('reserved flags are ignored', async () => {
    using client = await new RawOap(node.oapPort).ready();
    client.say(ask(1, { flags: oneShot | 0xff00 }));
    expect((await client.answer(1)).code).toBe(0);
  });

  it('unknown control codes are ignored', async () => {
    using client = await new RawOap(node.oapPort).ready();
    client.say(frame({ flags: EVENT, code: 777, payload: 'whatever' }), ask(1, { flags: oneShot | ACK_REQ }));
    expect((await client.answer(1)).code).toBe(0);
  });
});

describe('HELLO', () => {
  const malformed: Record<string, Buffer> = {
    'no JSON': frame({ flags: oneShot, payload: 'hello' }),
    'another protocol': frame({ flags: oneShot, payload: '{"proto":"OAP/2"}' }),
    'duplicate keys': frame({ flags: oneShot, payload: '{"proto":"OAP/1","proto":"OAP/1"}' }),
    __proto__: frame({ flags: oneShot, payload: '{"proto":"OAP/1","__proto__":{}}' }),
    'depth 5,000': frame({ flags: oneShot, payload: `{"proto":${'['.repeat(5_000)}${']'.repeat(5_000)}}` }),
    'invalid UTF-8': frame({ flags: oneShot, payload: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) }),
    '1e309': frame({ flags: oneShot, payload: '{"proto":"OAP/1","accept_max_frame":1e309}' }),
  };
  for (const [what, bytes] of Object.entries(malformed)) {
    it(`malformed, ${what}`, () => expectViolation(node, 'hello_malformed', (client) => void client.say(bytes)));
  }
  it('missing', () => expectViolation(node, 'first_frame_not_hello', (client) => void client.say(ask(1))));
  it('asking for less than the floor', () =>
    expectViolation(node, 'hello_max_frame', (client) => void client.say(hello({ accept_max_frame: 32_767 }))));
  it('HTTP on the OAP port', () =>
    expectViolation(
      node,
      'len_too_large',
      (client) => void client.say(Buffer.from('GET / HTTP/1.1\r\nHost: n\r\n\r\n')),
    ));
  it('a negotiated max_frame is enforced', () =>
    expectViolation(node, 'len_too_large', async (client) => {
      client.say(hello({ accept_max_frame: 32_768 }));
      await client.next();
      client.say(frame({ flags: oneShot, app: gatewayApp, stream: 1, len: 32_769 }));
    }));
});

describe('payloads', () => {
  const start = (payload: Uint8Array, flags = oneShot, app = gatewayApp) =>
    frame({ flags, app, stream: 1, capability: node.capability, payload });
  const good = { op: 'whoami', corr_id: corrId };
  const refused: Record<string, [string, () => Buffer]> = {
    'an unknown application': ['not_found', () => start(payloadOf(good, '{}'), oneShot, 0x7777)],
    'an unknown operation': ['not_found', () => start(payloadOf({ ...good, op: 'format_disk' }, '{}'))],
    'an operation of Object.prototype': ['not_found', () => start(payloadOf({ ...good, op: 'constructor' }, '{}'))],
    'no header': ['bad_request', () => start(Buffer.alloc(0))],
    'an unknown header field': ['bad_request', () => start(payloadOf({ ...good, admin: true }, '{}'))],
    'a header with duplicate keys': [
      'bad_request',
      () => start(payloadOf(`{"op":"whoami","op":"whoami","corr_id":"${corrId}"}`, '{}')),
    ],
    'a header with __proto__': [
      'bad_request',
      () => start(payloadOf(`{"op":"whoami","corr_id":"${corrId}","__proto__":{}}`, '{}')),
    ],
    'a header of depth 8,000': [
      'bad_request',
      () => start(payloadOf(`{"op":${'['.repeat(8_000)}${']'.repeat(8_000)}}`, '{}')),
    ],
    'a header with 1e309': [
      'bad_request',
      () => start(payloadOf(`{"op":"whoami","corr_id":"${corrId}","deadline_ms":1e309}`, '{}')),
    ],
    'a header that is not UTF-8': ['bad_request', () => start(Buffer.concat([Buffer.of(3, 0, 0x7b, 0xff, 0x7d)]))],
    'a corr_id with a line feed': [
      'bad_request',
      () => start(payloadOf({ ...good, corr_id: 'red-team\n{"level"' }, '{}')),
    ],
    'a body of depth 10^5': [
      'bad_request',
      () => start(payloadOf(good, `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)),
    ],
    'a body with duplicate keys': ['bad_request', () => start(payloadOf(good, '{"a":1,"a":2}'))],
    'a body with an unknown field': ['bad_request', () => start(payloadOf(good, '{"unknown":1}'))],
    'COMP on an empty payload': ['bad_request', () => start(Buffer.alloc(0), oneShot | COMP)],
    'COMP that is no zstd': ['bad_request', () => start(Buffer.from('not zstd at all'), oneShot | COMP)],
    'truncated zstd': [
      'bad_request',
      () => start(zstdCompressSync(payloadOf(good, '{}')).subarray(0, -4), oneShot | COMP),
    ],
    'COMP and APP_E2E': [
      'unsupported_media_type',
      () => start(zstdCompressSync(payloadOf(good, '{}')), oneShot | COMP | APP_E2E),
    ],
    'a zstd bomb of 256 MiB': [
      'payload_too_large',
      () => start(zstdCompressSync(Buffer.alloc(268_435_456)), oneShot | COMP),
    ],
  };
  for (const [what, [code, bytes]] of Object.entries(refused)) {
    it(`${what}: ${code}, and the connection stays`, async () => {
      const resident = residentBytes(node.pid);
      await expectStreamRefusal(node, code, (client) => void client.say(bytes()));
      expect(residentBytes(node.pid) - resident).toBeLessThan(96 * 1_048_576);
    });
  }

  it('honest zstd is inflated', async () => {
    using client = await new RawOap(node.oapPort).ready();
    client.say(start(zstdCompressSync(payloadOf(good, '{}')), oneShot | COMP));
    expect((await client.answer(1)).code).toBe(0);
  });
});
