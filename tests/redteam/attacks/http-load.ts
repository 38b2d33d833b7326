import { type Attack, many, type Setting, Tally, type Target } from '../attack.ts';
import { ask, RawHttp, requestBytes } from '../raw-http.ts';
import { metricsOf } from '../signs.ts';
import { issue } from '../trust-client.ts';
import { addressOf, plain } from './settings.ts';

const MiB = 1_048_576;

/** `count` connections, at most 60 from each address. */
function connections(port: number, count: number): { readonly all: readonly RawHttp[] } & Disposable {
  const all = Array.from({ length: count }, (_, index) => new RawHttp(port, addressOf(Math.floor(index / 60))));
  return {
    all,
    [Symbol.dispose]: () => {
      for (const client of all) client[Symbol.dispose]();
    },
  };
}

async function stored(target: Target, body: Uint8Array): Promise<string> {
  const reply = await target.ask({ method: 'PUT', target: '/put', body });
  return (JSON.parse(reply.body.toString()) as { address: string }).address;
}

const slowHeaders: Attack = {
  name: 'slow headers, 600 sockets, a byte every 100 ms',
  area: 'http',
  expected: '408 after 5 s each',
  quick: true,
  setting: plain,
  async run(target) {
    using sockets = connections(target.port, 600);
    for (const client of sockets.all) client.say('GET / HTTP/1.1\r\nHost: n\r\nX-Slow: ');
    const timer = setInterval(() => {
      for (const client of sockets.all) client.say('a');
    }, 100);
    const tally = new Tally();
    try {
      await Promise.all(
        sockets.all.map(async (client) => {
          const reply = await client.reply();
          tally.add(reply.status);
          target.refused(reply, { status: 408, code: 'request_timeout', counted: 'header_timeout' });
        }),
      );
    } finally {
      clearInterval(timer);
    }
    target.saw(String(tally));
  },
};

const slowBodies: Attack = {
  name: 'slow bodies, 300 sockets, 20 bytes/s',
  area: 'http',
  expected: '408 within 15 s, or refused by the load before',
  quick: false,
  setting: plain,
  async run(target) {
    using sockets = connections(target.port, 300);
    const head = `PUT /put HTTP/1.1\r\nHost: n\r\nAuthorization: ${target.auth.Authorization}\r\nContent-Length: 100000\r\n\r\n`;
    for (const client of sockets.all) client.say(head);
    const timer = setInterval(() => {
      for (const client of sockets.all) client.say('ab');
    }, 100);
    const tally = new Tally();
    try {
      await Promise.all(
        sockets.all.map(async (client) => {
          let reply = await client.reply().catch(() => undefined);
          reply ??= await client.reply().catch(() => undefined);
          tally.add(reply?.status ?? 'closed');
        }),
      );
    } finally {
      clearInterval(timer);
    }
    target.check(tally.of(408) > 0, `nobody timed out: ${tally}`);
    target.check(tally.of(201) + tally.of(200) === 0, `a slow body was stored: ${tally}`);
    target.counted('body_timeout');
    target.saw(String(tally));
  },
};

const slowReaders: Attack = {
  name: 'slow readers of 32 MiB, 200 that never read',
  area: 'http',
  expected: 'cut off by themselves; one copy in memory',
  quick: false,
  setting: plain,
  tolerance: { heapBytesMax: 64 * MiB, residentBytesMax: 320 * MiB },
  async run(target) {
    const address = await stored(target, Buffer.alloc(32 * MiB, 0x71));
    using sockets = connections(target.port, 200);
    for (const client of sockets.all) {
      client.socket.pause();
      client.say(`GET /o/${address} HTTP/1.1\r\nHost: n\r\nAuthorization: ${target.auth.Authorization}\r\n\r\n`);
    }
    await new Promise((resolve) => setTimeout(resolve, 18_000));
    const left = (await metricsOf(target.port)).get('inflight{service="gateway"}') ?? 0;
    target.check(left < 3, `${left} are still being served after 18 s`);
    target.saw(`${left} left after 18 s`);
  },
};

const idle: Attack = {
  name: 'idle connections past the cap, 1,300',
  area: 'http',
  expected: 'past 1,024: 503 or the oldest closed; idle ones end after 5 s',
  quick: false,
  setting: plain,
  async run(target) {
    using sockets = connections(target.port, 1_300);
    const tally = new Tally();
    await Promise.all(
      sockets.all.map(async (client) => {
        const reply = await client.reply().catch(() => undefined);
        tally.add(reply?.status ?? 'closed');
        if (reply?.status === 503)
          target.refused(reply, { status: 503, code: 'unavailable', counted: 'over_capacity' });
      }),
    );
    target.saw(String(tally));
  },
};

const forgedAddress: Attack = {
  name: 'forged X-Forwarded-For and Forwarded, 70 connections',
  area: 'http',
  expected: 'one address all the same: 64 connections at most',
  quick: true,
  setting: plain,
  async run(target) {
    const clients: RawHttp[] = [];
    const admitted: RawHttp[] = [];
    const tally = new Tally();
    try {
      for (let index = 0; index < 70; index++) {
        const forged = `10.0.${index}.1`;
        const fields = ['X-Forwarded-For', 'X-Real-IP', 'True-Client-IP', 'CF-Connecting-IP', 'X-Client-IP'];
        const lines = [...fields.map((name) => `${name}: ${forged}`), `Forwarded: for=${forged};proto=https`];
        const client = new RawHttp(target.port, { localAddress: '127.0.0.99' });
        clients.push(client);
        client.say(`GET /healthz HTTP/1.1\r\nHost: n\r\n${lines.join('\r\n')}\r\n\r\n`);
        const reply = await client.reply();
        tally.add(reply.status);
        if (reply.status === 503) target.refused(reply, { status: 503, code: 'unavailable', counted: 'over_capacity' });
        else admitted.push(client);
      }
      // Who was refused closes after its answer; only those who were let in hold a place.
      const open = admitted.filter(({ ended }) => !ended).length;
      target.check(open <= 64, `${open} connections of one address are open`);
      target.saw(`${open} open`);
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
    target.saw(String(tally));
  },
};

const rangeStorm: Attack = {
  name: 'ranges: 1,000 overlapping, 16 of 4 MiB each, × 200',
  area: 'http',
  expected: '416 past 16; overlaps send each byte once',
  quick: true,
  setting: plain,
  tolerance: { heapBytesMax: 24 * MiB },
  async run(target) {
    const size = 4 * MiB;
    const address = await stored(target, Buffer.alloc(size, 0x72));
    const get = (range: string) => target.ask({ target: `/o/${address}`, headers: { Range: range } });
    const tally = new Tally();
    await many(200, 6, async (index) => {
      const reply = await get(`bytes=${Array.from({ length: 1_000 }, (_, at) => `${at}-`).join(',')}`);
      tally.add(reply.status);
      target.refused(reply, { status: 416, code: 'range_not_satisfiable' });
      if (index % 10 !== 0) return;
      const overlapping = await get(`bytes=${Array.from({ length: 16 }, (_, at) => `${at}-`).join(',')}`);
      tally.add(overlapping.status);
      target.check(overlapping.body.length <= size, `${overlapping.body.length} bytes of an object of ${size}`);
    });
    target.saw(String(tally));
  },
};

const stampede: Attack = {
  name: '1,000 readers of one cold object of 1 MiB',
  area: 'http',
  expected: 'all served the same bytes',
  quick: false,
  setting: plain,
  async run(target) {
    const bytes = Buffer.alloc(MiB, 0x73);
    const address = await stored(target, bytes);
    const tally = new Tally();
    await many(1_000, 50, async (index) => {
      using client = new RawHttp(target.port, addressOf(index));
      client.say(requestBytes({ target: `/o/${address}`, headers: target.auth }));
      const reply = await client.reply();
      tally.add(reply.status);
      target.check(reply.status !== 200 || reply.body.equals(bytes), 'wrong bytes');
    });
    target.check(tally.of(200) === 1_000, String(tally));
    target.saw(String(tally));
  },
};

const labelFlood: Attack = {
  name: 'metric label floods: 3,000 paths, methods, names, tenants',
  area: 'http',
  expected: 'no more series than there are codes and operations',
  quick: true,
  setting: plain,
  async run(target) {
    const before = (await metricsOf(target.port)).size;
    await many(3_000, 16, async (index) => {
      const odd = `x${index}`;
      const forms = [
        { target: `/${odd}/${odd}` },
        { target: `/n/${odd}` },
        { method: ['LINK', 'MKCOL', 'PURGE', 'SEARCH'][index % 4]!, target: `/${odd}` },
        { target: `/mailbox/${odd}/stats` },
        { target: '/names', headers: { Origin: `http://${odd}.example`, 'User-Agent': odd, 'X-Tenant': odd } },
      ];
      await target.ask(forms[index % forms.length]!);
    });
    const more = (await metricsOf(target.port)).size - before;
    target.check(more < 60, `${more} more series`);
    target.counted('no_route');
    target.saw(`${more} more series`);
  },
};

const quotaSetting: Setting = plain;

/** A passport with 50 requests a second is used at 500, while another tenant goes on. */
const quotaBurst: Attack = {
  name: 'one capability at 10 × its quota for 2 s',
  area: 'http',
  expected: '429, Retry-After, quota named; others unmoved',
  quick: true,
  setting: quotaSetting,
  async run(target) {
    const { capability } = await issue(target.node, {
      subject: 'noisy',
      tenant: 'noisy',
      limits: { requests_per_second: 50 },
    });
    const tally = new Tally();
    const until = performance.now() + 2_000;
    await many(8, 8, async () => {
      while (performance.now() < until) {
        const round = performance.now();
        const reply = await ask(target.port, { target: '/names', headers: { Authorization: `Bearer ${capability}` } });
        tally.add(reply.status);
        if (reply.status === 429) {
          target.refused(reply, { status: 429, code: 'quota_exhausted' });
          const wait = Number(reply.headers['retry-after']);
          target.check(
            Number.isInteger(wait) && wait >= 1 && wait <= 60,
            `Retry-After: ${reply.headers['retry-after']}`,
          );
          target.check(/"quota"/.test(reply.body.toString()), 'the refusal names no quota');
          target.check(reply.headers['ratelimit'] !== undefined, 'no RateLimit header');
        }
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, 16 - (performance.now() - round))));
      }
    });
    target.check(tally.of(200) <= 50 * 2 + 50 + 60, `${tally.of(200)} served of 50 a second`);
    target.check(tally.of(429) > tally.of(200), `more served than refused: ${tally}`);
    target.saw(String(tally));
  },
};

const churn: Attack = {
  name: '3,000 connections that open, say half a word and reset',
  area: 'http',
  expected: 'nothing left',
  quick: false,
  setting: plain,
  async run(target) {
    await many(3_000, 40, async (index) => {
      using client = new RawHttp(target.port, addressOf(index));
      client.say('GET /na');
      await new Promise((resolve) => client.socket.once(index % 2 === 0 ? 'connect' : 'ready', resolve));
      client.socket.resetAndDestroy();
    });
  },
};

const anonymousUploads: Attack = {
  name: 'uploads of 64 MiB without a right, × 60',
  area: 'http',
  expected: '401 before the body; no more than 2 MiB of it heard',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    const piece = Buffer.alloc(65_536, 0x74);
    await many(60, 6, async (index) => {
      using client = new RawHttp(target.port, addressOf(index));
      client.say(`PUT /put HTTP/1.1\r\nHost: n\r\nContent-Length: ${64 * MiB}\r\n\r\n`);
      const reply = await client.reply();
      tally.add(reply.status);
      target.refused(reply, { status: 401, code: 'unauthenticated' });
      target.check(!(await client.pour(piece, 1_024)), 'the whole body was heard');
    });
    target.saw(String(tally));
  },
};

export const httpLoad: readonly Attack[] = [
  ...[slowHeaders, slowBodies, slowReaders, idle, forgedAddress, rangeStorm],
  ...[stampede, labelFlood, quotaBurst, churn, anonymousUploads],
];
