import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { ContentCoding, HttpRequest } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { ResidentBody } from '@ron/proto/stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bindHttp } from '../bind-http.ts';
import { startEcho, testHost } from '../testing/echo-service.ts';
import { inflatedBytesMax, inflatedFloorBytes } from './content-coding.ts';

const stack = new AsyncDisposableStack();
let handle: ReturnType<typeof bindHttp>;
beforeAll(async () => {
  const host = testHost();
  const service = stack.use(await startEcho(host));
  handle = bindHttp({ env: host.env, dispatchers: [service.dispatcher], ops: () => undefined });
});
afterAll(() => stack.disposeAsync());

async function send(method: string, target: string, coding: string, bytes: Uint8Array) {
  const request: HttpRequest = {
    method,
    target,
    headers: { authorization: 'Bearer all', 'content-encoding': coding, 'content-length': String(bytes.byteLength) },
    body: new ResidentBody(bytes),
    remote: '127.0.0.1',
    onAbort: () => undefined,
  };
  const { status, headers, body } = await handle(request);
  return { status, headers, json: JSON.parse(new TextDecoder().decode(body as Uint8Array)) };
}

const encoders: Readonly<Record<ContentCoding, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: gzipSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
};
const kinds = Object.entries(encoders) as [ContentCoding, (bytes: Uint8Array) => Uint8Array][];
const json = new TextEncoder().encode('{"text":"héllo","times":2}');
const { work } = createRealEnv();

describe.each(kinds)('%s', (coding, encode) => {
  test('a JSON body is inflated', async () => {
    expect((await send('POST', '/say', coding, encode(json))).json).toEqual({ text: 'héllohéllo' });
  });

  test('a bomb is refused before it is made', async () => {
    const bomb = encode(new Uint8Array(16 * 1024 * 1024));
    const refused = await send('POST', '/say', coding, bomb);
    expect([refused.status, refused.json.code]).toEqual([413, 'payload_too_large']);
  });

  test('the floor at -1, 0 and +1 bytes', async () => {
    for (const [more, status] of [
      [-1, 200],
      [0, 200],
      [1, 413],
    ] as const) {
      const padded = new TextEncoder().encode('{"text":"x"}'.padEnd(inflatedFloorBytes + more));
      const sent = encode(padded);
      expect(sent.byteLength * 10).toBeLessThan(inflatedFloorBytes);
      expect((await send('POST', '/say', coding, sent)).status).toBe(status);
    }
  });

  test('what is cut short, or is in another coding, is a bad request', async () => {
    const other = coding === 'gzip' ? brotliCompressSync(json) : gzipSync(json);
    for (const bytes of [encode(json).subarray(0, -6), other]) {
      expect((await send('POST', '/say', coding, bytes)).json.code).toBe('bad_request');
    }
  });

  test('the output of the work port at -1, 0 and +1', () => {
    const packed = encode(new Uint8Array(100_000));
    for (const bound of [100_000, 100_001]) expect(work.inflate(coding, packed, bound).byteLength).toBe(100_000);
    expect(() => work.inflate(coding, packed, 99_999)).toThrow(expect.objectContaining({ code: 'payload_too_large' }));
  });
});

test('tenfold, 8 MiB and the limit of the body: the least counts, but for the floor', () => {
  const far = Number.MAX_SAFE_INTEGER;
  expect(inflatedBytesMax(1, far)).toBe(inflatedFloorBytes);
  expect(inflatedBytesMax(1_638, far)).toBe(inflatedFloorBytes);
  expect(inflatedBytesMax(1_639, far)).toBe(16_390);
  expect(inflatedBytesMax(838_860, far)).toBe(8_388_600);
  expect(inflatedBytesMax(838_861, far)).toBe(8_388_608);
  expect(inflatedBytesMax(1_000_000, 1_048_576)).toBe(1_048_576);
  expect(inflatedBytesMax(1, 100)).toBe(100);
});

test.each(['gzip, gzip', 'br, gzip', 'deflate', 'compress', 'identity, gzip', 'gzip;q=1', 'nonsense'])(
  'Content-Encoding: %s is refused with 415, which names what is taken',
  async (coding) => {
    const refused = await send('POST', '/say', coding, coding === 'deflate' ? deflateSync(json) : gzipSync(json));
    expect([refused.status, refused.json.code]).toEqual([415, 'unsupported_media_type']);
    expect(refused.headers['accept-encoding']).toBe('gzip, br, zstd');
  },
);

test.each(['GZIP', ' x-gzip '])('%s is gzip', async (name) => {
  expect((await send('POST', '/say', name, gzipSync(json))).status).toBe(200);
});

test.each(['identity', ''])('Content-Encoding: "%s" changes nothing', async (name) => {
  expect((await send('POST', '/say', name, json)).status).toBe(200);
});

test('bytes that are kept are not inflated: 415', async () => {
  const refused = await send('PUT', '/upper', 'gzip', gzipSync(json));
  expect(refused.status).toBe(415);
  expect(refused.headers['accept-encoding']).toBe('identity');
});
