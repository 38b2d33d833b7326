import http from 'node:http';
import net from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HttpHeaders } from '../../env/http.ts';
import { errorCode } from '../../env/system-error.ts';
import { type ResponseHead, ResponseParser } from './response-parser.ts';

interface Read {
  head?: ResponseHead;
  body: string;
  informed: number[];
  trailers?: HttpHeaders;
  /** Bytes behind the message. */
  surplus: number;
  failure?: string;
}

/** `sizes`: of the pieces that it comes in, over and over; one is all of it by default. */
function read(message: string, { method = 'GET', sizes = [message.length || 1], headBytesMax = 65_536 } = {}): Read {
  const got: Read = { body: '', informed: [], surplus: 0 };
  const parser = new ResponseParser(method, headBytesMax, {
    informed: (status) => got.informed.push(status),
    answered: (head) => {
      got.head = head;
    },
    content: (bytes) => {
      got.body += bytes.toString('latin1');
    },
    over: (trailers) => {
      got.trailers = trailers;
    },
  });
  // One piece of memory for all, as the sockets have it: what is kept must have been copied.
  const shared = Buffer.alloc(Math.max(1, message.length));
  try {
    for (let at = 0, turn = 0; at < message.length; turn++) {
      const piece = message.slice(at, at + (sizes[turn % sizes.length] ?? 1));
      at += piece.length;
      shared.fill(0x58);
      shared.write(piece, 'latin1');
      got.surplus += piece.length - parser.take(shared.subarray(0, piece.length));
    }
    if (!parser.isOver && !parser.close()) got.failure = 'ECONNRESET';
  } catch (error) {
    got.failure = errorCode(error) ?? String(error);
  }
  return got;
}

const good: readonly (readonly [string, string, Partial<Read>])[] = [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', { body: 'hello', surplus: 0 }],
  ['no reason', 'HTTP/1.1 204\r\n\r\n', { body: '' }],
  ['the end of the connection', 'HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello', { body: 'hello' }],
  [
    'chunks',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n',
    { body: 'hello' },
  ],
  [
    'trailers',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: u\r\nT: v\r\n\r\n',
    { body: 'hello', trailers: { t: ['u', 'v'] } },
  ],
  [
    'interim ones',
    'HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    { informed: [100, 103], body: '' },
  ],
  ['what follows is not its own', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n', { surplus: 17 }],
];

describe('one message', () => {
  test.each(good)('%s, split at every byte and into single bytes', (_name, message, wanted) => {
    const whole = read(message);
    expect(whole.failure).toBeUndefined();
    expect(whole).toMatchObject(wanted);
    for (let at = 1; at < message.length; at++) expect(read(message, { sizes: [at, message.length] })).toEqual(whole);
    expect(read(message, { sizes: [1] })).toEqual(whole);
  });

  test.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['GET', 'HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n'],
    ['GET', 'HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n'],
  ])('%s has no content: %j', (method, message) => {
    expect(read(`${message}hello`, { method })).toMatchObject({ body: '', surplus: 5 });
  });

  test.each([
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', true],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n', false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n', true],
    ['HTTP/1.1 200 OK\r\n\r\n', false],
  ])('whether another may follow: %j', (message, persists) => {
    expect(read(message).head?.persists).toBe(persists);
  });
});

const head = 'HTTP/1.1 200 OK\r\n';
const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;

describe('what two readers could take for two messages (RFC 9112)', () => {
  test.each([
    ['two lengths', `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    ['the same length twice', `${head}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`],
    ['a list of lengths', `${head}Content-Length: 1, 1\r\n\r\na`],
    ['a signed length', `${head}Content-Length: +1\r\n\r\na`],
    ['a length in hex', `${head}Content-Length: 0x1\r\n\r\na`],
    ['no digits', `${head}Content-Length: \r\n\r\n`],
    ['a length past 15 digits', `${head}Content-Length: 1000000000000000\r\n\r\n`],
    ['a length and chunks', `${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['chunks twice', `${head}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
    ['chunks in two lines', `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n`],
    ['chunks and something behind', `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
    ['chunks in 1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a blank before the colon', `${head}Content-Length : 1\r\n\r\na`],
    ['a blank before the name', `${head} Content-Length: 1\r\n\r\na`],
    ['a folded line', `${head}A: b\r\n c: d\r\n\r\n`],
    ['no colon', `${head}Content-Length\r\n\r\n`],
    ['no name', `${head}: 1\r\n\r\n`],
    ['a bare LF', `${head}A: b\nContent-Length: 1\r\n\r\na`],
    ['a bare CR', `${head}A: b\rContent-Length: 1\r\n\r\na`],
    ['a NUL', `${head}A: b\0\r\n\r\n`],
    ['something before it', `\r\n${head}\r\n`],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['an older one', 'hello'.padEnd(70_000, '.')],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['a change of protocols', 'HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n'],
    ['no size of a chunk', `${chunked}\r\n\r\n`],
    ['a size that is none', `${chunked}-1\r\na\r\n0\r\n\r\n`],
    ['a size with 0x', `${chunked}0x1\r\na\r\n0\r\n\r\n`],
    ['a size past 48 bits', `${chunked}1000000000000\r\n`],
    ['a blank before the size', `${chunked} 1\r\na\r\n0\r\n\r\n`],
    ['LF alone behind a size', `${chunked}1\na\r\n0\r\n\r\n`],
    ['a CR in an extension', `${chunked}1;a\rb\r\na\r\n0\r\n\r\n`],
    ['a chunk longer than it says', `${chunked}1\r\nab\r\n0\r\n\r\n`],
    ['LF alone behind a chunk', `${chunked}1\r\na\n0\r\n\r\n`],
    ['a trailer that is none', `${chunked}0\r\na\r\n\r\n`],
  ])('%s', (_name, message) => {
    for (const sizes of [[message.length], [1], [7]]) expect(read(message, { sizes }).failure).toBe('EPROTO');
  });

  test.each([
    [-1, undefined],
    [0, undefined],
    [1, 'EPROTO'],
  ])('a head of its limit and %i bytes', (more, failure) => {
    const start = `${head}Content-Length: 0\r\nA: `;
    const message = `${start}${'b'.repeat(1000 + more - start.length - 4)}\r\n\r\n`;
    for (const sizes of [[message.length], [1], [300]]) {
      expect(read(message, { sizes, headBytesMax: 1000 }).failure).toBe(failure);
    }
  });

  test('the limit is for all interim heads together, for extensions of all chunks together, and for trailers', () => {
    expect(read('HTTP/1.1 103 E\r\nLink: a\r\n\r\n'.repeat(50), { headBytesMax: 1000 }).failure).toBe('EPROTO');
    expect(read(`${chunked}${`1;${'x'.repeat(900)}\r\na\r\n`.repeat(19)}`).failure).toBe('EPROTO');
    expect(read(`${chunked}0\r\nA: ${'x'.repeat(1000)}\r\n\r\n`, { headBytesMax: 1000 }).failure).toBe('EPROTO');
  });

  test.each([
    `${head}Content-Length: 3\r\n\r\nab`,
    `${chunked}2\r\nab\r\n`,
    `${chunked}0\r\n`,
    head,
    'HTTP/1.1 200 OK\nA: b\n\n',
  ])('what breaks off is never whole: %j', (message) => expect(read(message).failure).toBe('ECONNRESET'));
});

describe('beside the parser of Node', () => {
  let server: net.Server;
  let message = '';
  beforeAll(async () => {
    server = net.createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => socket.end(message, 'latin1'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void server.close());

  const readByNode = (said: string) =>
    new Promise<Read>((resolve) => {
      message = said;
      const got: Read = { body: '', informed: [], surplus: 0 };
      const { port } = server.address() as net.AddressInfo;
      const failed = () => resolve({ ...got, failure: 'EPROTO' });
      const request = http.get({ port, host: '127.0.0.1', agent: false }, (response) => {
        response.setEncoding('latin1').on('error', failed);
        response.on('data', (text) => {
          got.body += text;
        });
        response.on('end', () => resolve(response.complete ? got : { ...got, failure: 'EPROTO' }));
      });
      request.on('information', ({ statusCode }) => got.informed.push(statusCode));
      request.on('error', failed);
    });

  const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/).map((name) => `X-${name}`);
  const fields = fc
    .array(fc.tuple(token, fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)), { maxLength: 5 })
    .map((lines) => lines.map(([name, value]) => `${name}: ${value}\r\n`).join(''));
  const content = fc.stringMatching(/^[ -~]{1,40}$/);
  const framed = fc.oneof(
    content.map((text) => `Content-Length: ${text.length}\r\n\r\n${text}`),
    fc
      .array(content, { maxLength: 4 })
      .map((chunks) => chunks.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join(''))
      .map((chunks) => `Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`),
    content.map((text) => `\r\n${text}`),
  );
  const interim = fc
    .array(fields, { maxLength: 2 })
    .map((all) => all.map((f) => `HTTP/1.1 103 E\r\n${f}\r\n`).join(''));
  const messages = fc
    .tuple(interim, fc.integer({ min: 200, max: 203 }), fields, framed)
    .map(([before, status, lines, rest]) => `${before}HTTP/1.1 ${status} S\r\n${lines}${rest}`);

  test('well-formed messages are read alike, in pieces of any size', async () => {
    await fc.assert(
      fc.asyncProperty(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), async (said, sizes) => {
        const theirs = await readByNode(said);
        const { body, informed, failure } = read(said, { sizes });
        expect({ body, informed, failure }).toEqual({ ...theirs, surplus: undefined });
      }),
      { numRuns: 100 },
    );
  });

  test('what is damaged is refused, or read as Node reads it: never longer, shorter or otherwise', async () => {
    const damage = fc.tuple(
      fc.nat(),
      fc.constantFrom('', '\r', '\n', '\0', ' ', ':', '0', 'f', ',', '\r\n', '\t', 'é'),
    );
    await fc.assert(
      fc.asyncProperty(messages, damage, async (whole, [place, text]) => {
        const at = place % whole.length;
        const said = whole.slice(0, at) + text + whole.slice(at + 1);
        const ours = read(said);
        if (ours.failure !== undefined || ours.surplus > 0) return;
        const theirs = await readByNode(said);
        if (theirs.failure === undefined) expect(ours.body).toBe(theirs.body);
      }),
      { numRuns: 300 },
    );
  });
});
