import { SLICE_MEDIA_TYPE } from '@ron/b3';
import { type Attack, many, type Setting, Tally, type Target } from '../attack.ts';
import { forbidden, isOfObject, isWholeObject, lie, lies, objectAddress, pageOf } from '../origin.ts';
import { RawHttp, requestBytes } from '../raw-http.ts';
import { addressOf } from './settings.ts';

const edge: Setting = { kind: 'edge' };
/** Of its own: what it keeps belongs to the attack. */
const lying: Setting = { kind: 'edge', name: 'lies' };
const originOf = (target: Target) => target.subject.behind![0]!;
const text = async (target: Target, path: string, headers: Readonly<Record<string, string>> = {}) =>
  await (
    await fetch(`${target.node.url}${path}`, { headers: { ...headers, connection: 'close' }, redirect: 'manual' })
  ).text();

/** Of what the origin was asked, the keys with this in them. */
function askedOf(target: Target, part: string): number {
  return [...originOf(target).asked!].filter(([key]) => key.includes(part)).reduce((sum, [, count]) => sum + count, 0);
}

const poisoning: Attack = {
  name: 'cache poisoning by 12 headers, those that count in Vary',
  area: 'edge',
  expected: 'what one asked with is never what another gets',
  quick: true,
  setting: edge,
  async run(target) {
    const names = ['X-Forwarded-Host', 'X-Host', 'X-Original-URL', 'X-Rewrite-URL', 'Forwarded', 'X-Forwarded-Scheme'];
    const more = [
      'X-HTTP-Method-Override',
      'X-Forwarded-Port',
      'X-Forwarded-Prefix',
      'X-Wap-Profile',
      'True-Client-IP',
      'X-Real-IP',
    ];
    const poison = 'evil.example';
    let poisoned = 0;
    for (const [index, name] of [...names, ...more].entries()) {
      const path = `/reflect/${index}`;
      await text(target, path, { [name]: poison });
      const next = await text(target, path);
      if (next.includes(poison)) poisoned++;
      target.check(!next.includes(poison), `${name} is in the answer of the next who asks`);
    }
    target.saw(`${poisoned} of 12 poisoned`);
  },
};

const privacy: Attack = {
  name: 'answers for one client, asked for by others, × 200',
  area: 'edge',
  expected: 'private and authorised answers are shared with nobody',
  quick: true,
  setting: edge,
  async run(target) {
    await many(200, 8, async (index) => {
      const who = `client-${index}`;
      const seen = await text(target, '/private/same', index % 2 === 0 ? { Authorization: who } : { Cookie: who });
      target.check(seen === `for ${who}`, `${who} got "${seen}"`);
    });
  },
};

const stampede: Attack = {
  name: '1,000 readers of one cold object of 1 MiB',
  area: 'edge',
  expected: 'one ask of the origin, everybody served',
  quick: false,
  setting: edge,
  tolerance: { heapBytesMax: 32 * 1_048_576, residentBytesMax: 512 * 1_048_576 },
  async run(target) {
    const path = `/large/${performance.now()}`;
    const tally = new Tally();
    await many(1_000, 100, async (index) => {
      using client = new RawHttp(target.port, addressOf(index));
      client.say(requestBytes({ target: path }));
      const reply = await client.reply();
      tally.add(`${reply.status}, ${reply.body.length} bytes`);
    });
    const asks = askedOf(target, path);
    target.check(asks === 1, `${asks} asks of the origin`);
    target.check(tally.of('200, 1048576 bytes') === 1_000, String(tally));
    target.saw(`${asks} ask of the origin: ${tally}`);
  },
};

const forgery: Attack = {
  name: 'SSRF: absolute-form, Host, redirects, authority, × 300',
  area: 'edge',
  expected: 'only the configured origin is ever asked',
  quick: true,
  setting: edge,
  async run(target) {
    const { port } = originOf(target);
    const before = askedOf(target, forbidden);
    const tally = new Tally();
    const forms = [
      'GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nHost: 169.254.169.254',
      `GET http://127.0.0.1:${target.port}/loop HTTP/1.1\r\nHost: 127.0.0.1:${target.port}`,
      'GET http://[::1]:22/ HTTP/1.1\r\nHost: [::1]:22',
      'GET /latest/meta-data HTTP/1.1\r\nHost: 169.254.169.254',
      'GET //169.254.169.254/latest HTTP/1.1\r\nHost: n',
      'GET /redirect/a HTTP/1.1\r\nHost: n',
      'GET @169.254.169.254/ HTTP/1.1\r\nHost: n',
      'GET /\\169.254.169.254 HTTP/1.1\r\nHost: n@169.254.169.254',
      `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}`,
      'GET ftp://127.0.0.1/ HTTP/1.1\r\nHost: n',
      'GET file:///etc/passwd HTTP/1.1\r\nHost: n',
    ];
    await many(forms.length * 27, 8, async (index) => {
      using client = new RawHttp(target.port, addressOf(index));
      client.say(`${forms[index % forms.length]}\r\nConnection: close\r\n\r\n`);
      await client.end();
      tally.add(client.heardBytes > 0 ? 'answered' : 'closed');
    });
    target.check(askedOf(target, forbidden) === before, 'a redirect was followed');
    const hosts = [...originOf(target).asked!.keys()].map((key) => key.split(' ')[2]);
    const strange = hosts.filter((host) => host !== `127.0.0.1:${port}`);
    target.check(strange.length === 0, `the origin was asked for ${strange.slice(0, 3).join(', ')}`);
    target.saw(String(tally));
  },
};

const smuggling: Attack = {
  name: 'smuggling through the edge to its origin, 12 pairs',
  area: 'edge',
  expected: 'what is hidden never reaches the origin',
  quick: true,
  setting: edge,
  async run(target) {
    const hidden = 'GET /hidden HTTP/1.1\r\nHost: n\r\n\r\n';
    const te = 'Transfer-Encoding: chunked';
    const bodies = [
      `Content-Length: 6\r\n${te}\r\n\r\n0\r\n\r\n${hidden}`,
      `${te}\r\nContent-Length: ${hidden.length}\r\n\r\n0\r\n\r\n${hidden}`,
      `Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
      `Transfer-Encoding: xchunked\r\n${te}\r\n\r\n0\r\n\r\n${hidden}`,
      `${te}\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${hidden}`,
      `X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `${te}\r\n\r\n0x0\r\n\r\n${hidden}`,
      `${te}\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n${hidden}`,
      `Connection: close, Content-Length\r\nContent-Length: ${hidden.length}\r\n${te}\r\n\r\n0\r\n\r\n${hidden}`,
      `${te}\r\nConnection: Transfer-Encoding, keep-alive\r\nContent-Length: 3\r\n\r\n0\r\n\r\n${hidden}`,
    ];
    const tally = new Tally();
    for (const body of bodies) {
      using client = new RawHttp(target.port);
      client.say(`POST /form HTTP/1.1\r\nHost: n\r\n${body}`);
      client.socket.end();
      const reply = await client.reply().catch(() => undefined);
      tally.add(reply?.status ?? 'closed');
      await client.end();
    }
    target.check(
      askedOf(target, '/hidden') === 0,
      `the origin was asked ${askedOf(target, '/hidden')} times for what was hidden`,
    );
    target.saw(String(tally));
  },
};

const hopByHop: Attack = {
  name: 'Connection names headers to be removed, × 60',
  area: 'edge',
  expected: 'never Host, never the edge’s own framing',
  quick: true,
  setting: edge,
  async run(target) {
    const tally = new Tally();
    await many(60, 6, async (index) => {
      using client = new RawHttp(target.port, addressOf(index));
      const named = ['Host', 'Content-Length', 'Via', 'Cache-Control', 'Range', 'Age'][index % 6]!;
      client.say(`GET /hop/${index} HTTP/1.1\r\nHost: n\r\nConnection: close, ${named}\r\nRange: bytes=0-3\r\n\r\n`);
      const reply = await client.reply();
      tally.add(reply.status);
      target.check([200, 206, 400].includes(reply.status), `${reply.status} with Connection: ${named}`);
    });
    const nameless = [...originOf(target).asked!.keys()].filter((key) => key.endsWith(' undefined'));
    target.check(nameless.length === 0, 'the origin was asked without a Host');
    target.saw(String(tally));
  },
};

const liars: Attack = {
  name: 'an origin that breaks off in mid-answer, × 60',
  area: 'edge',
  expected: 'broken off too, never cached as whole',
  quick: true,
  setting: edge,
  async run(target) {
    const tally = new Tally();
    await many(60, 6, async (index) => {
      const whole = await text(target, `/lies-short/${index % 5}`).then(
        (body) => `${body.length} bytes`,
        () => 'broken off',
      );
      tally.add(whole);
    });
    target.check(tally.of('1000 bytes') === 0 && tally.of('100 bytes') === 0, String(tally));
    target.saw(String(tally));
  },
};

/** Of one object: whatever an origin takes for its address, the edge must too. */
const digest = objectAddress.slice('b3:'.length);
const spellings = [
  `/o/${objectAddress}`,
  `/o/${objectAddress}?x=1`,
  `/get/${objectAddress}`,
  `/get/${objectAddress}?`,
  `/o/b3%3A${digest}`,
  `/o/%62%33%3a${digest}?x`,
  `/%6f/${objectAddress}`,
  `//o//${objectAddress}`,
  `/o/b3:${digest.toUpperCase()}`,
];
const readers: readonly Readonly<Record<string, string>>[] = [
  {},
  { Authorization: 'Bearer ron1_reader' },
  { 'Ron-Cap': 'ron1_reader' },
  { 'Ron-Cap': 'ron1_other' },
  { Accept: `${SLICE_MEDIA_TYPE};q=0, */*` },
  { Accept: SLICE_MEDIA_TYPE },
];

const falsehoods: Attack = {
  name: 'an origin that lies about an object in 6 ways: 9 spellings, 6 readers, whole and by ranges',
  area: 'edge',
  expected: 'not one byte that is not the object’s; once the origin is honest, the object',
  quick: true,
  setting: lying,
  async run(target) {
    const tally = new Tally();
    const first = 65_536;
    const read = async (headers: Readonly<Record<string, string>>, path = spellings[0]!): Promise<Buffer> => {
      const response = await fetch(`${target.node.url}${path}`, { headers: { ...headers, connection: 'close' } });
      tally.add(response.status);
      const pieces: Uint8Array[] = [];
      try {
        for await (const piece of response.body!) pieces.push(piece);
      } catch (error) {
        // What came before an answer broke off counts too.
        tally.add((error as Error).message);
      }
      return response.ok ? Buffer.concat(pieces) : Buffer.alloc(0);
    };
    try {
      for (const told of lies) {
        lie.now = told;
        await many(spellings.length * readers.length, 6, async (index) => {
          const path = spellings[index % spellings.length]!;
          const reader = readers[Math.floor(index / spellings.length)]!;
          const what = `${told}: ${path} ${JSON.stringify(reader)}`;
          target.check(isOfObject(await read(reader, path)), `${what}: bytes that are not the object's`);
          const part = await read({ ...reader, Range: `bytes=${first}-${2 * first}` }, path);
          target.check(isOfObject(part, first), `${what}: a range that is not the object's`);
        });
      }
      lie.now = undefined;
      for (const path of spellings) {
        target.check(isWholeObject(await read({}, path)), `${path}: the object does not come from an honest origin`);
      }
      lie.now = 'all';
      for (const path of spellings) {
        target.check(isWholeObject(await read({}, path)), `${path}: what is kept changed with the origin`);
      }
    } finally {
      lie.now = undefined;
    }
    target.saw(String(tally));
  },
};

const keys: Attack = {
  name: '10,000 different keys, queries and Vary values',
  area: 'edge',
  expected: 'memory within the budget, the hot page still served',
  quick: false,
  setting: edge,
  tolerance: { heapBytesMax: 64 * 1_048_576 },
  async run(target) {
    await many(10_000, 24, async (index) => {
      using client = new RawHttp(target.port, addressOf(index));
      client.say(requestBytes({ target: `/k/${index}?q=${'x'.repeat(index % 300)}` }));
      const reply = await client.reply();
      target.check(reply.status === 200, String(reply.status));
    });
    target.check((await text(target, '/good')) === pageOf('/good'), 'the hot page is wrong');
  },
};

export const edgeAttacks: readonly Attack[] = [
  ...[poisoning, privacy, stampede, forgery, smuggling, hopByHop, liars, falsehoods, keys],
];
