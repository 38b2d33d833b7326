import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { HttpRoute } from '@ron/proto/contract';
import { publicContracts } from '@ron/proto/public';
import { type Attack, many, Tally } from '../attack.ts';
import { RawHttp, requestBytes } from '../raw-http.ts';
import { payloadMark } from '../signs.ts';
import { plain } from './settings.ts';

const MiB = 1_048_576;
/** Inflated size of each bomb. */
const bombBytes = 256 * MiB;

interface Bomb {
  readonly coding: string;
  readonly bytes: Buffer;
}

function bombs(): readonly Bomb[] {
  const zeros = Buffer.alloc(bombBytes);
  const gzip = gzipSync(zeros);
  const brotli = brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
  const zstd = zstdCompressSync(zeros);
  return [
    { coding: 'gzip', bytes: gzip },
    { coding: 'x-gzip', bytes: gzip },
    { coding: 'deflate', bytes: deflateSync(zeros) },
    { coding: 'br', bytes: brotli },
    { coding: 'zstd', bytes: zstd },
    { coding: 'gzip, gzip', bytes: gzipSync(gzip) },
    { coding: 'gzip, br, zstd', bytes: zstdCompressSync(brotliCompressSync(gzip)) },
    { coding: 'identity, gzip', bytes: gzip },
    { coding: 'GZIP', bytes: gzip },
    { coding: 'gzip;q=1', bytes: gzip },
  ];
}

/** Routes of the whole public API that take a body, with something in the place of each parameter. */
function bodyRoutes(): readonly { readonly method: string; readonly target: string }[] {
  const routes = publicContracts.flatMap(({ operations }) =>
    Object.values(operations).flatMap(({ http = [] }) => http),
  );
  const takesBody = ({ method, json }: HttpRoute) => json === true || ['PUT', 'POST', 'PATCH'].includes(method);
  const seen = new Map<string, { method: string; target: string }>();
  for (const route of routes.filter(takesBody)) {
    const address = `b3:${'0'.repeat(64)}`;
    const target = route.path.replaceAll(/:address/g, address).replaceAll(/[:*]\w+/g, 'x');
    seen.set(`${route.method} ${target}`, { method: route.method, target });
  }
  return [...seen.values()];
}

const compressionBombs: Attack = {
  name: 'bombs of 256 MiB: gzip, deflate, br, zstd, stacked',
  area: 'http',
  expected: '413 or 415 on every route with a body, never inflated',
  quick: true,
  setting: plain,
  tolerance: { residentBytesMax: 128 * MiB },
  async run(target) {
    const all = bombs();
    const routes = bodyRoutes();
    const tally = new Tally();
    await many(routes.length * all.length, 4, async (index) => {
      const { method, target: path } = routes[Math.floor(index / all.length)]!;
      const { coding, bytes } = all[index % all.length]!;
      // The announced length is honest: what is refused is what it would become.
      using client = new RawHttp(target.port);
      const headers = { ...target.auth, 'Content-Encoding': coding, 'Content-Type': 'application/json' };
      client.say(requestBytes({ method, target: path, headers, body: bytes.subarray(0, 512 * 1_024) }));
      const reply = await client.reply();
      tally.add(reply.status);
      const early = [400, 403, 404, 405, 411, 412, 503].includes(reply.status);
      // Some routes are refused for something else before: then nothing was inflated either.
      const right = early || reply.status === 413 || reply.status === 415;
      target.check(right, `${reply.status} for ${coding} to ${method} ${path}`);
      if (reply.status === 413) target.refused(reply, { status: 413, code: 'payload_too_large' });
      if (reply.status === 415) target.refused(reply, { status: 415, code: 'unsupported_media_type' });
    });
    target.check(tally.of(413) + tally.of(415) > routes.length, `too few of those refusals: ${tally}`);
    target.saw(`${routes.length} routes: ${tally}`);
  },
};

const traversals = [
  '../',
  '..\\',
  '..%2f',
  '%2e%2e/',
  '%2e%2e%2f',
  '%252e%252e%252f',
  '..%c0%af',
  '%c0%ae%c0%ae/',
  '%e0%80%ae%e0%80%ae/',
  '..%00/',
  '..;/',
  '....//',
  '.%00./',
  '%uff0e%uff0e/',
  '..%ef%bc%8f',
  '\u2025/',
  '%5c..%5c',
  '//',
  '/./',
  '~/',
  'C:\\',
  '\\\\127.0.0.1\\',
] as const;

const traversal: Attack = {
  name: `traversal in ${traversals.length} encodings on every route with a path`,
  area: 'http',
  expected: '400 or 404, nothing of the file system told',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    const prefixes = [
      '/o/',
      '/o/b3:',
      '/get/',
      '/n/',
      '/n/a/',
      '/name/resolve/',
      '/name/',
      '/uploads/',
      '/mailbox/',
      '/registry/',
      '/audit/tile/',
      '/ui/',
      '/',
    ];
    const targets = prefixes.flatMap((prefix) =>
      traversals.flatMap((step) => [1, 8].map((times) => `${prefix}${step.repeat(times)}etc/passwd`)),
    );
    await many(targets.length, 12, async (index) => {
      const path = Buffer.from(targets[index]!).toString('latin1');
      const reply = await target.ask({ target: path });
      tally.add(reply.status);
      target.check([400, 403, 404, 405].includes(reply.status), `${reply.status} for ${targets[index]}`);
      target.check(!/root:|node_modules|\/work\/|\.ts:\d/.test(reply.body.toString()), `something is told for ${path}`);
    });
    target.counted('bad_request');
    target.saw(String(tally));
  },
};

const injections: Attack = {
  name: 'CR, LF and NUL in paths, queries, headers, JSON, × 400',
  area: 'http',
  expected: 'never a header or a log line of ours',
  quick: true,
  setting: plain,
  async run(target) {
    const bad = [
      '%0d%0aX-Injected:%20y',
      '%0aX-Injected:%20y',
      '%0dX-Injected:%20y',
      '%E5%98%8A%E5%98%8DX-Injected:%20y',
      '%00',
    ];
    const line = '\\r\\n{\\"level\\":\\"error\\",\\"msg\\":\\"forged\\"}';
    const forms = bad.flatMap((part) => [
      { target: `/n/a${part}` },
      { target: `/names?prefix=a${part}` },
      { target: `/o/b3:${part}` },
      { target: '/names', headers: { 'X-Corr-ID': `abcdefgh${part}`, Origin: `http://a${part}` } },
      { target: '/names', headers: { Range: `bytes=0-1${part}`, 'If-None-Match': `"${part}"`, traceparent: part } },
    ]);
    const tally = new Tally();
    await many(400, 8, async (index) => {
      const reply =
        index % 9 === 0
          ? await target.ask({ method: 'POST', target: '/o/has', body: `{"addresses":["${line}"],"${line}":1}` })
          : await target.ask(forms[index % forms.length]!);
      tally.add(reply.status);
      target.check(reply.headers['x-injected'] === undefined, 'a header was injected');
      target.check(reply.status < 500, String(reply.status));
    });
    target.check(!/"msg":"forged"/.test(target.node.stderr()), 'a log line was forged');
    target.counted('bad_request');
    target.saw(String(tally));
  },
};

const deepJson: Attack = {
  name: 'JSON: depth 10^5, 10^5 keys, 10^6 items, __proto__, duplicates, × 200',
  area: 'http',
  expected: '400 with the envelope, at the first byte too many',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    const forms = [
      `{"addresses":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
      `{${Array.from({ length: 60_000 }, (_, index) => `"k${index}":1`).join(',')}}`,
      `{"addresses":[],"__proto__":{"${payloadMark}":true}}`,
      `{"addresses":[],"addresses":["${payloadMark}"]}`,
      `{"addresses":1e309}`,
      `{"addresses":"${'\\u0000'.repeat(100_000)}"}`,
      `[${'9'.repeat(500_000)}]`,
      `{"addresses":[${'1,'.repeat(400_000)}1]}`,
    ];
    await many(200, 6, async (index) => {
      const reply = await target.ask({ method: 'POST', target: '/o/has', body: forms[index % forms.length]! });
      tally.add(reply.status);
      target.refused(reply, { status: 400, code: 'bad_request' });
    });
    target.saw(String(tally));
  },
};

export const httpBodies: readonly Attack[] = [compressionBombs, traversal, injections, deepJson];
