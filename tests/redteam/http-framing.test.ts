import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { baseline, expectRefusal } from './oracle.ts';
import { exchange, RawHttp } from './raw-http.ts';
import { payloadMark } from './signs.ts';

let node: NodeProcess;
beforeAll(async () => {
  node = await startNodeProcess({ args: ['--set', 'server.log_level=info'] });
});
afterAll(() => node[Symbol.asyncDispose]());

const auth = () => `Authorization: Bearer ${node.capability}`;
const put = (...lines: string[]) => `PUT /put HTTP/1.1\r\nHost: n\r\n${auth()}\r\n${lines.join('\r\n')}`;
const get = (...lines: string[]) => `GET /names HTTP/1.1\r\nHost: n\r\n${auth()}\r\n${lines.join('\r\n')}`;

/** Everything on which two servers in a row could disagree about where a message ends, and everything malformed. */
const malformed: Record<string, () => string> = {
  'Content-Length and Transfer-Encoding': () => put('Content-Length: 4', 'Transfer-Encoding: chunked', '', '0\r\n\r\n'),
  'Transfer-Encoding and Content-Length': () => put('Transfer-Encoding: chunked', 'Content-Length: 4', '', '0\r\n\r\n'),
  'two equal Content-Length': () => put('Content-Length: 3', 'Content-Length: 3', '', 'abc'),
  'two different Content-Length': () => put('Content-Length: 3', 'Content-Length: 4', '', 'abcd'),
  'a list as Content-Length': () => put('Content-Length: 3, 3', '', 'abc'),
  'a signed Content-Length': () => put('Content-Length: +3', '', 'abc'),
  'a negative Content-Length': () => put('Content-Length: -3', '', 'abc'),
  'a hexadecimal Content-Length': () => put('Content-Length: 0x3', '', 'abc'),
  'a Content-Length past 2^64': () => put('Content-Length: 99999999999999999999999', '', 'abc'),
  'an empty Content-Length': () => put('Content-Length:', '', 'abc'),
  'Transfer-Encoding: xchunked': () => put('Transfer-Encoding: xchunked', '', '0\r\n\r\n'),
  'Transfer-Encoding: gzip, chunked twice': () =>
    put('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked', '', '0\r\n\r\n'),
  'Transfer-Encoding: chunked, identity': () => put('Transfer-Encoding: chunked, identity', '', '0\r\n\r\n'),
  'a space before the colon': () => put('Content-Length : 3', '', 'abc'),
  'a folded header': () => get('X-Folded: one', '  two', '', ''),
  'a folded Transfer-Encoding': () => put('Transfer-Encoding:', ' chunked', '', '0\r\n\r\n'),
  'bare LF between headers': () => `GET /names HTTP/1.1\nHost: n\n${auth()}\n\n`,
  'a bare CR in a value': () => get('X-Bad: a\rb', '', ''),
  'a NUL in a value': () => get('X-Bad: a\0b', '', ''),
  'a control character in a name': () => get('X\x01Bad: a', '', ''),
  'no colon': () => get('NoColonHere', '', ''),
  'an empty header name': () => get(': value', '', ''),
  'no Host': () => `GET /names HTTP/1.1\r\n${auth()}\r\n\r\n`,
  'two Hosts': () => get('Host: other', '', ''),
  'two equal Hosts': () => get('Host: n', '', ''),
  'two Authorization': () => get('Authorization: Bearer x', '', ''),
  'two Range': () => get('Range: bytes=0-1', 'Range: bytes=0-1', '', ''),
  'an unknown Expect': () => put('Expect: the-unexpected', 'Content-Length: 3', '', 'abc'),
  'HTTP/2.0': () => 'GET / HTTP/2.0\r\nHost: n\r\n\r\n',
  'the HTTP/2 preface': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/0.9': () => 'GET /\r\n\r\n',
  'a method that does not exist': () => 'BREW /pot HTTP/1.1\r\nHost: n\r\n\r\n',
  CONNECT: () => 'CONNECT evil.example:80 HTTP/1.1\r\nHost: n\r\n\r\n',
  'a TLS ClientHello': () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
  'absolute-form target': () => `GET http://169.254.169.254/latest HTTP/1.1\r\nHost: n\r\n${auth()}\r\n\r\n`,
  'authority in the target': () => `GET //evil.example/x HTTP/1.1\r\n${auth()}\r\n\r\n`,
  'a space in the target': () => `GET /na mes HTTP/1.1\r\nHost: n\r\n\r\n`,
  'a NUL in the target': () => `GET /n/a\0b HTTP/1.1\r\nHost: n\r\n\r\n`,
  'an asterisk with GET': () => 'GET * HTTP/1.1\r\nHost: n\r\n\r\n',
};

describe('messages that are not well-formed', () => {
  for (const [what, bytes] of Object.entries(malformed)) {
    it(`${what}: 400 with the envelope`, async () => {
      const counted = what.startsWith('two') && what.endsWith('Hosts') ? 'two_hosts' : 'malformed';
      await expectRefusal(node, { status: 400, code: 'bad_request', counted }, () => exchange(node.port, bytes()));
    });
  }
});

describe('the second request of a smuggled pair is never answered', () => {
  const hidden = `GET /names HTTP/1.1\r\nHost: n\r\nX-Corr-ID: ${payloadMark}\r\n\r\n`;
  const carriers: Record<string, () => string> = {
    'CL.TE': () => put('Content-Length: 6', 'Transfer-Encoding: chunked', '', `0\r\n\r\n${hidden}`),
    'TE.CL': () => put('Transfer-Encoding: chunked', `Content-Length: ${hidden.length}`, '', `0\r\n\r\n${hidden}`),
    'CL.CL': () => put('Content-Length: 0', `Content-Length: ${hidden.length}`, '', hidden),
    'bad chunk size': () => put('Transfer-Encoding: chunked', '', `0x0\r\n\r\n${hidden}`),
    'LF after a chunk size': () => put('Transfer-Encoding: chunked', '', `0\n\n${hidden}`),
    'a chunk that is longer than it says': () =>
      put('Transfer-Encoding: chunked', '', `1\r\nabc\r\n0\r\n\r\n${hidden}`),
    'a chunk extension with LF': () => put('Transfer-Encoding: chunked', '', `1;a\nb\r\na\r\n0\r\n\r\n${hidden}`),
  };
  for (const [what, bytes] of Object.entries(carriers)) {
    it(what, async () => {
      const before = await baseline(node);
      using client = new RawHttp(node.port);
      client.say(bytes());
      const reply = await client.reply();
      expect(reply.status).toBe(400);
      client.socket.end();
      await client.end();
      expect(client.heardBytes).toBe(0);
      await before.survived({ counted: 'malformed' });
    });
  }
});

describe('bodies that lie about their length', () => {
  it('shorter than Content-Length, then FIN: nothing stored, nothing in flight', async () => {
    const before = await baseline(node);
    using client = new RawHttp(node.port);
    client.say(put('Content-Length: 1000', '', payloadMark));
    client.socket.end();
    await client.end();
    await before.survived();
  });

  it('shorter than Content-Length, then RST', async () => {
    const before = await baseline(node);
    using client = new RawHttp(node.port);
    client.say(put('Content-Length: 1000', '', payloadMark));
    await new Promise((resolve) => client.socket.once('connect', resolve));
    client.socket.resetAndDestroy();
    await before.survived();
  });

  it('a chunked body without its end', async () => {
    const before = await baseline(node);
    using client = new RawHttp(node.port);
    client.say(put('Transfer-Encoding: chunked', '', '5\r\nabcde\r\n'));
    client.socket.end();
    await client.end();
    await before.survived();
  });

  it('bytes after the body are the next request, and refused as one', async () => {
    const before = await baseline(node);
    using client = new RawHttp(node.port);
    client.say(put('Content-Length: 3', '', 'abcDEF\r\n\r\n'));
    const first = await client.reply();
    // The parser may meet the bad bytes before the first answer is out: then the refusal is all that comes.
    if (first.status !== 400) expect((await client.reply()).status).toBe(400);
    await client.end();
    expect(client.heardBytes).toBe(0);
    await before.survived({ counted: 'malformed' });
  });

  it('chunk extensions without end', async () => {
    const before = await baseline(node);
    using client = new RawHttp(node.port);
    client.say(put('Transfer-Encoding: chunked', '', '1;'));
    await client.pour(Buffer.alloc(16_384, 0x61), 64);
    const reply = await client.reply().catch(() => undefined);
    expect(reply?.status ?? 400).toBeGreaterThanOrEqual(400);
    await before.survived();
  });

  it('trailers without end', async () => {
    const before = await baseline(node);
    using client = new RawHttp(node.port);
    client.say(put('Transfer-Encoding: chunked', '', '0\r\n'));
    await client.pour(Buffer.from(`X-Trailer: ${'a'.repeat(1_000)}\r\n`), 1_000);
    const reply = await client.reply().catch(() => undefined);
    expect(reply?.status ?? 431).toBeGreaterThanOrEqual(400);
    await before.survived();
  });

  it('a body on an operation that takes none', async () => {
    await expectRefusal(node, { status: 400, code: 'bad_request' }, () =>
      exchange(node.port, get(`Content-Length: ${payloadMark.length}`, '', payloadMark)),
    );
  });

  it('Expect: 100-continue is answered only by an operation that wants the body', async () => {
    await expectRefusal(node, { status: 401, code: 'unauthenticated' }, () =>
      exchange(node.port, 'PUT /put HTTP/1.1\r\nHost: n\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n'),
    );
    using client = new RawHttp(node.port);
    client.say(put('Expect: 100-continue', 'Content-Length: 3', '', ''));
    expect((await client.reply()).status).toBe(100);
    client.say('abc');
    expect([200, 201]).toContain((await client.reply()).status);
  });

  it('100 clients that wait for 100-continue and leave', async () => {
    const before = await baseline(node);
    const clients = Array.from({ length: 50 }, () => new RawHttp(node.port));
    for (const client of clients) client.say(put('Expect: 100-continue', 'Content-Length: 3', '', ''));
    await Promise.all(clients.map((client) => client.reply()));
    for (const client of clients) client[Symbol.dispose]();
    await before.survived();
  });
});
