import { randomInt } from 'node:crypto';
import { type Attack, many, Tally, type Target } from '../attack.ts';
import { exchange, RawHttp } from '../raw-http.ts';
import { payloadMark } from '../signs.ts';
import { addressOf, plain } from './settings.ts';

const put = ({ auth }: Target, ...lines: string[]) =>
  `PUT /put HTTP/1.1\r\nHost: n\r\nAuthorization: ${auth.Authorization}\r\n${lines.join('\r\n')}`;

/** What hides behind a first request: seen in an answer, two servers would have parted at another byte than we did. */
const hidden = `GET /names HTTP/1.1\r\nHost: n\r\nX-Corr-ID: ${payloadMark}\r\n\r\n`;
const chunked = 'Transfer-Encoding: chunked';

/** Every way known to tell one length to a proxy and another to what is behind it. */
const pairs: Readonly<Record<string, (target: Target) => string>> = {
  'CL.TE': (t) => put(t, 'Content-Length: 6', chunked, '', `0\r\n\r\n${hidden}`),
  'TE.CL': (t) => put(t, chunked, `Content-Length: ${hidden.length}`, '', `0\r\n\r\n${hidden}`),
  'CL.0': (t) => put(t, 'Content-Length: 0', `Content-Length: ${hidden.length}`, '', hidden),
  'equal CL twice': (t) => put(t, 'Content-Length: 3', 'Content-Length: 3', '', `abc${hidden}`),
  'CL as a list': (t) => put(t, 'Content-Length: 3, 3', '', `abc${hidden}`),
  'CL with a sign': (t) => put(t, 'Content-Length: +3', '', `abc${hidden}`),
  'CL in hexadecimal': (t) => put(t, 'Content-Length: 0x3', '', `abc${hidden}`),
  'CL with an underscore': (t) => put(t, 'Content-Length: 1_0', '', `abc${hidden}`),
  'CL with a fraction': (t) => put(t, 'Content-Length: 3.0', '', `abc${hidden}`),
  'CL past 2^64': (t) => put(t, `Content-Length: ${'9'.repeat(30)}`, '', hidden),
  'TE.TE, unknown first': (t) => put(t, 'Transfer-Encoding: xchunked', chunked, '', `0\r\n\r\n${hidden}`),
  'TE.TE, unknown last': (t) => put(t, chunked, 'Transfer-Encoding: identity', '', `0\r\n\r\n${hidden}`),
  'TE as a list, chunked not last': (t) => put(t, `${chunked}, identity`, '', `0\r\n\r\n${hidden}`),
  'TE chunked twice': (t) => put(t, `${chunked}, chunked`, '', `0\r\n\r\n${hidden}`),
  'TE, space before the colon': (t) => put(t, 'Transfer-Encoding : chunked', '', `0\r\n\r\n${hidden}`),
  'TE, tab before the colon': (t) => put(t, 'Transfer-Encoding\t: chunked', '', `0\r\n\r\n${hidden}`),
  'TE, vertical tab': (t) => put(t, 'Transfer-Encoding: \x0bchunked', '', `0\r\n\r\n${hidden}`),
  'TE, form feed': (t) => put(t, 'Transfer-Encoding: chunked\x0c', '', `0\r\n\r\n${hidden}`),
  'TE, NUL': (t) => put(t, 'Transfer-Encoding: chunked\0', '', `0\r\n\r\n${hidden}`),
  'TE in quotes': (t) => put(t, 'Transfer-Encoding: "chunked"', '', `0\r\n\r\n${hidden}`),
  'TE, folded': (t) => put(t, 'Transfer-Encoding:', ' chunked', '', `0\r\n\r\n${hidden}`),
  'TE behind a bare LF': (t) => put(t, `X: y\nTransfer-Encoding: chunked`, '', `0\r\n\r\n${hidden}`),
  'TE behind a bare CR': (t) => put(t, `X: y\rTransfer-Encoding: chunked`, '', `0\r\n\r\n${hidden}`),
  'TE as the first header': (t) => ` ${chunked}\r\n${put(t, '', `0\r\n\r\n${hidden}`)}`,
  'a name with a NUL': (t) => put(t, 'Transfer\0-Encoding: chunked', '', `0\r\n\r\n${hidden}`),
  'TE with HTTP/1.0': (t) =>
    put(t, chunked, 'Content-Length: 3', '', `0\r\n\r\n${hidden}`).replace('HTTP/1.1', 'HTTP/1.0'),
  'chunk size in C': (t) => put(t, chunked, '', `0x0\r\n\r\n${hidden}`),
  'chunk size with a sign': (t) => put(t, chunked, '', `+0\r\n\r\n${hidden}`),
  'negative chunk size': (t) => put(t, chunked, '', `-1\r\n\r\n${hidden}`),
  'chunk size past 2^64': (t) => put(t, chunked, '', `10000000000000000\r\n${hidden}`),
  'empty chunk size': (t) => put(t, chunked, '', `\r\n\r\n${hidden}`),
  'LF after a chunk size': (t) => put(t, chunked, '', `0\n\n${hidden}`),
  'LF after a chunk': (t) => put(t, chunked, '', `1\r\na\n0\r\n\r\n${hidden}`),
  'CR after a chunk': (t) => put(t, chunked, '', `1\r\na\r0\r\n\r\n${hidden}`),
  'longer than its chunk size': (t) => put(t, chunked, '', `1\r\nabc\r\n0\r\n\r\n${hidden}`),
  'LF in a chunk extension': (t) => put(t, chunked, '', `1;a\nb\r\na\r\n0\r\n\r\n${hidden}`),
  'NUL in a chunk extension': (t) => put(t, chunked, '', `1;a\0b\r\na\r\n0\r\n\r\n${hidden}`),
  'a space after the chunk size': (t) => put(t, chunked, '', `0 \x0b\r\n\r\n${hidden}`),
  'bare LF in the head': (t) => put(t, 'Content-Length: 0', '', '').replaceAll('\r\n', '\n') + hidden,
  'a folded header': (t) => put(t, 'X-A: b', '\tContent-Length: 5', '', hidden),
};

const smuggling: Attack = {
  name: `request smuggling, ${Object.keys(pairs).length} pairs`,
  area: 'http',
  expected: '400, envelope, closed; the second never answered',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    for (const [what, bytes] of Object.entries(pairs)) {
      using client = new RawHttp(target.port);
      client.say(bytes(target));
      const reply = await client.reply();
      tally.add(reply.status);
      target.check(reply.status === 400, `${what}: ${reply.status}`);
      if (reply.status === 400) target.refused(reply, { status: 400, code: 'bad_request', counted: 'malformed' });
      client.socket.end();
      await client.end();
      target.check(client.heardBytes === 0, `${what}: something more was answered`);
      target.check(!target.node.stderr().includes(payloadMark), `${what}: what was hidden was asked`);
    }
    target.saw(String(tally));
  },
};

const lengths: Attack = {
  name: 'Content-Length that lies, 200 × short, 200 × long',
  area: 'http',
  expected: 'nothing stored, nothing in flight; the rest refused',
  quick: true,
  setting: plain,
  async run(target) {
    const usage = async () =>
      (await target.ask({ method: 'POST', target: '/admin/usage', body: '{}' })).body.toString();
    const before = await usage();
    await many(200, 10, async (index) => {
      using client = new RawHttp(target.port);
      client.say(put(target, 'Content-Length: 5000', '', payloadMark.repeat(1 + (index % 40))));
      await new Promise((resolve) => client.socket.once('connect', resolve));
      if (index % 2 === 0) client.socket.end();
      else client.socket.resetAndDestroy();
      await client.end();
    });
    target.check((await usage()) === before, 'a part of an object is stored');
    const tally = new Tally();
    await many(200, 10, async () => {
      using client = new RawHttp(target.port);
      client.say(put(target, 'Content-Length: 3', '', `abc${payloadMark} is no request\r\n\r\n`));
      for (let reply = await client.reply(); ; reply = await client.reply()) {
        tally.add(reply.status);
        if (reply.status === 400) break;
      }
      await client.end();
    });
    target.counted('malformed');
    target.check(tally.of(400) === 200, `200 rests, ${tally}`);
    target.saw(String(tally));
  },
};

const endless: Attack = {
  name: 'chunk extensions and trailers without end, × 20',
  area: 'http',
  expected: 'refused and closed before 64 KiB are heard',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    const forms: [string, Buffer][] = [
      ['1;', Buffer.alloc(16_384, 0x61)],
      ['0\r\n', Buffer.from(`X-Trailer: ${'a'.repeat(1_000)}\r\n`)],
      ['1\r\na\r\n1;x="', Buffer.alloc(16_384, 0x62)],
    ];
    await many(60, 6, async (index) => {
      const [start, piece] = forms[index % forms.length]!;
      using client = new RawHttp(target.port);
      client.say(put(target, chunked, '', start));
      const taken = await client.pour(piece, Math.ceil(4_194_304 / piece.length));
      const reply = await client.reply().catch(() => undefined);
      tally.add(reply?.status ?? 'closed');
      target.check(!taken, '4 MiB were heard');
      target.check((reply?.status ?? 400) >= 400, `${reply?.status}`);
    });
    target.saw(String(tally));
  },
};

const expectations: Attack = {
  name: 'Expect: 100-continue, 500 that wait and leave',
  area: 'http',
  expected: '100 only with a right to write; nothing left',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    await many(500, 25, async (index) => {
      using client = new RawHttp(target.port, addressOf(index));
      const may = index % 2 === 0;
      const head = 'PUT /put HTTP/1.1\r\nHost: n\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n';
      client.say(`${head}${may ? `Authorization: ${target.auth.Authorization}\r\n` : ''}\r\n`);
      const reply = await client.reply();
      tally.add(reply.status);
      if (may) target.check(reply.status === 100, `${reply.status} for who may write`);
      else target.refused(reply, { status: 401, code: 'unauthenticated' });
    });
    target.saw(String(tally));
  },
};

/** Requests with a few bytes changed, cut, doubled or inserted: what nobody thought of. */
const mutations: Attack = {
  name: 'mutated requests, 1,500 seeded',
  area: 'http',
  expected: 'never 500, never two answers for one request',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    const seed = randomInt(2 ** 31);
    target.saw(`seed ${seed}`);
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return Math.floor((state / 0x80000000) * below);
    };
    const originals = [
      put(target, chunked, '', `5\r\nhello\r\n0\r\n\r\n`),
      put(target, 'Content-Length: 5', '', 'hello'),
      `GET ${target.subject.path} HTTP/1.1\r\nHost: n\r\nAuthorization: ${target.auth.Authorization}\r\nRange: bytes=0-9,20-\r\n\r\n`,
    ];
    const mutated = Array.from({ length: 1_500 }, () => mutate(originals[random(originals.length)]!, random));
    await many(mutated.length, 12, async (index) => {
      using client = new RawHttp(target.port, addressOf(index));
      client.say(mutated[index]!);
      client.socket.end();
      const reply = await client.reply().catch(() => undefined);
      tally.add(reply?.status ?? 'closed');
      target.check(reply?.status !== 500, `500 for ${JSON.stringify(mutated[index]!.toString('latin1'))}`);
    });
    target.saw(String(tally));
  },
};

function mutate(text: string, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(text, 'latin1');
  const odd = ['\0', '\r', '\n', '\r\n', '\r\n\r\n', ' ', '\t', ':', ',', ';', '0', '-', '\x80', '%00', '../'];
  for (let left = 1 + random(3); left > 0; left--) {
    const at = random(bytes.length);
    const to = Math.min(bytes.length, at + 1 + random(8));
    const kind = random(4);
    const inserted =
      kind === 0
        ? Buffer.of(random(256))
        : kind === 1
          ? Buffer.from(odd[random(odd.length)]!, 'latin1')
          : kind === 2
            ? Buffer.concat([bytes.subarray(at, to), bytes.subarray(at, to)])
            : Buffer.alloc(0);
    bytes = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(kind === 1 ? at : to)]);
  }
  return bytes;
}

const pipelining: Attack = {
  name: '5,000 requests in one segment, replies unread',
  area: 'http',
  expected: 'answered in order, or closed; memory bounded',
  quick: true,
  setting: plain,
  async run(target) {
    using client = new RawHttp(target.port);
    client.socket.pause();
    const one = `GET ${target.subject.path} HTTP/1.1\r\nHost: n\r\nAuthorization: ${target.auth.Authorization}\r\n\r\n`;
    client.say(one.repeat(5_000));
    await new Promise((resolve) => setTimeout(resolve, 400));
    client.socket.resume();
    const tally = new Tally();
    for (let left = 5_000; left > 0; left--) {
      const reply = await client.reply().catch(() => undefined);
      if (reply === undefined) break;
      tally.add(reply.status);
    }
    target.check(tally.of(200) > 0, `none was answered: ${tally}`);
    target.saw(String(tally) || 'closed');
  },
};

const absoluteForm: Attack = {
  name: 'absolute-form, TRACE, CONNECT, Upgrade, h2c, × 50',
  area: 'http',
  expected: 'refused; nothing fetched, nothing echoed',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    const secret = `Cookie: ${payloadMark}\r\n`;
    const forms = [
      `GET http://169.254.169.254/latest HTTP/1.1\r\nHost: n\r\n${secret}\r\n`,
      `GET http://127.0.0.1:${target.port}/names HTTP/1.1\r\nHost: n\r\n${secret}\r\n`,
      `TRACE / HTTP/1.1\r\nHost: n\r\n${secret}\r\n`,
      `CONNECT 127.0.0.1:${target.port} HTTP/1.1\r\nHost: n\r\n${secret}\r\n`,
      `GET /names HTTP/1.1\r\nHost: n\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n${secret}\r\n`,
      `GET /names HTTP/1.1\r\nHost: n\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AA==\r\n${secret}\r\n`,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ];
    await many(50 * forms.length, 8, async (index) => {
      const reply = await exchange(target.port, forms[index % forms.length]!);
      tally.add(reply.status);
      target.check(reply.status >= 400 && reply.status < 500, `${reply.status} for form ${index % forms.length}`);
      target.check(!reply.body.toString().includes(payloadMark), 'the answer repeats a header');
    });
    target.counted('malformed');
    target.counted('unauthenticated');
    target.saw(String(tally));
  },
};

export const httpFraming: readonly Attack[] = [
  ...[smuggling, lengths, endless, expectations, mutations, pipelining, absoluteForm],
];
