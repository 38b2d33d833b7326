import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { baseline, expectRefusal } from './oracle.ts';
import { ask, exchange, type RequestParts } from './raw-http.ts';
import { envelopeOf, metricsOf, payloadMark } from './signs.ts';

let node: NodeProcess;
let address: string;
const size = 1_000;

beforeAll(async () => {
  node = await startNodeProcess({ args: ['--set', 'server.log_level=info'] });
  const stored = await call({ method: 'PUT', target: '/put', body: Buffer.alloc(size, 0x62) });
  address = (JSON.parse(stored.body.toString()) as { address: string }).address;
});
afterAll(() => node[Symbol.asyncDispose]());

const authorized = (parts: RequestParts): RequestParts => ({
  ...parts,
  headers: { Authorization: `Bearer ${node.capability}`, ...parts.headers },
});
const call = (parts: RequestParts) => ask(node.port, authorized(parts));

describe('targets', () => {
  const wrong = {
    'a parent folder': '/o/../../../etc/passwd',
    'a parent folder in an address': '/o/b3:../../etc/passwd',
    'an encoded parent folder': '/o/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    'an encoded slash in an address': '/o/b3:..%2f..%2fetc%2fpasswd',
    'double encoding': '/o/%252e%252e%252fetc%252fpasswd',
    'overlong UTF-8': '/o/%c0%ae%c0%ae%c0%af',
    'a backslash': '/o/..%5c..%5cetc',
    'an encoded NUL': '/o/b3:%00',
    'a broken escape': '/o/%zz',
    'a lone percent': '/n/%',
    'upper case hex': () => `/o/${address.toUpperCase()}`,
    'another prefix': () => `/o/${address.replace('b3:', 'sha1:')}`,
    'one digit short': () => `/o/${address.slice(0, -1)}`,
    'one digit long': () => `/o/${address}0`,
    'an unknown query parameter': () => `/o/${address}?admin=1`,
    'a query parameter twice': '/names?limit=1&limit=2',
    'a negative limit': '/names?limit=-1',
    'a limit past its bound': '/names?limit=1001',
    'a fraction': '/names?limit=1.5',
    'a name with ..': '/name/resolve/a/../b',
    'a name with a NUL': '/name/resolve/a%00b',
    'an upper-case name': '/name/resolve/README',
    'a name with a bidi control': '/name/resolve/a%E2%80%AEb',
    'a homoglyph in a name': '/name/resolve/p%D0%B0ypal',
    'a name in NFD': '/name/resolve/e%CC%81',
    'an empty label': '/name/resolve/a//b',
    'seventeen labels': `/name/resolve/${Array(17).fill('a').join('/')}`,
    '254 bytes of name': `/name/resolve/${`${'a'.repeat(62)}/`.repeat(4)}aa`,
  } satisfies Record<string, string | (() => string)>;
  for (const [what, target] of Object.entries(wrong)) {
    it(`${what}: a clear refusal`, async () => {
      const before = await baseline(node);
      const reply = await call({ target: typeof target === 'string' ? target : target() });
      expect([400, 404]).toContain(reply.status);
      const envelope = envelopeOf(reply);
      expect(['bad_request', 'not_found']).toContain(envelope.code);
      expect(reply.body.toString()).not.toMatch(/root:|\/work\/|node_modules|at .*\.ts/);
      const counted = [envelope.code, 'no_route'].find((label) => node.stderr().includes(label));
      expect(counted).toBeDefined();
      await before.survived({ corrId: envelope.corr_id });
    });
  }

  it('methods that are not for the route: 405 with Allow, TRACE among them', async () => {
    for (const method of ['TRACE', 'POST', 'PATCH', 'PROPFIND']) {
      const target = `/o/${address}`;
      const reply = await expectRefusal(node, { status: 405, code: 'bad_request', counted: 'no_route' }, () =>
        ask(node.port, { method, target, headers: { Cookie: payloadMark } }),
      );
      expect(reply.headers['allow']).toContain('GET');
    }
  });

  it('method override headers and fields change nothing', async () => {
    const overrides = { 'X-HTTP-Method-Override': 'DELETE', 'X-Method-Override': 'DELETE', 'X-HTTP-Method': 'DELETE' };
    const reply = await call({ target: `/o/${address}`, headers: overrides });
    expect([reply.status, reply.body.length]).toEqual([200, size]);
    await expectRefusal(node, { status: 400, code: 'bad_request' }, () =>
      call({ target: '/names?_method=DELETE', headers: overrides }),
    );
  });

  it('unkeyed headers neither poison an answer nor open a door', async () => {
    const headers = {
      'X-Forwarded-For': '127.0.0.1',
      'X-Forwarded-Host': `${payloadMark}.example`,
      'X-Original-URL': '/admin/usage',
      'X-Rewrite-URL': '/admin/usage',
      Forwarded: `for=127.0.0.1;host=${payloadMark}`,
      'X-Real-IP': '127.0.0.1',
    };
    const reply = await call({ target: `/o/${address}`, headers });
    expect(reply.status).toBe(200);
    expect(JSON.stringify(reply.headers)).not.toContain(payloadMark);
    await expectRefusal(node, { status: 401, code: 'unauthenticated' }, () =>
      ask(node.port, { target: '/names', headers }),
    );
  });

  it('a corr_id that is not one is not echoed', async () => {
    for (const id of ['short', 'a'.repeat(65), 'has space', '<script>alert(1)</script>', 'crlf%0d%0aX: y']) {
      const reply = await call({ target: '/names', headers: { 'X-Corr-ID': id } });
      expect(reply.status).toBe(200);
      expect(reply.headers['x-corr-id']).not.toBe(id);
      expect(reply.headers['x-corr-id']).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('1,000 unknown paths make no new metric series', async () => {
    const series = (await metricsOf(node.port)).size;
    for (let i = 0; i < 250; i++) {
      await Promise.all([1, 2, 3, 4].map((part) => ask(node.port, { target: `/x-${i}-${part}/${payloadMark}` })));
    }
    expect((await metricsOf(node.port)).size).toBeLessThan(series + 8);
  });
});

describe('ranges', () => {
  const get = (range: string) => call({ target: `/o/${address}`, headers: { Range: range } });
  const unsatisfiable = {
    'bytes=-0': 'bytes=-0',
    'beyond the end': 'bytes=1000-',
    'far beyond the end': `bytes=${'9'.repeat(40)}-`,
    'past 2^53': 'bytes=9007199254740993-9007199254740994',
    'a reversed range': 'bytes=5-2',
    'a reversed range past 2^53': 'bytes=9007199254740993-9007199254740992',
    'a negative start': 'bytes=--5',
    'no number': 'bytes=-',
    'no range': 'bytes=',
    letters: 'bytes=a-b',
    'a hexadecimal number': 'bytes=0x0-0x5',
    'a plus sign': 'bytes=+1-+5',
    '1,000 ranges': `bytes=${Array.from({ length: 1_000 }, (_, i) => `${i}-${i}`).join(',')}`,
    '17 ranges': `bytes=${Array.from({ length: 17 }, (_, i) => `${i * 2}-${i * 2}`).join(',')}`,
    '1,000 equal ranges': `bytes=${Array(1_000).fill('0-').join(',')}`,
    '2,000 empty members': `bytes=${','.repeat(2_000)}`,
  };
  for (const [what, range] of Object.entries(unsatisfiable)) {
    it(`${what}: 416 with the size`, async () => {
      const expected = { status: 416, code: 'range_not_satisfiable' };
      const reply = await expectRefusal(node, expected, () => get(range));
      expect(reply.headers['content-range']).toBe(`bytes */${size}`);
    });
  }

  it('overlapping ranges send each byte once', async () => {
    const reply = await get(`bytes=${Array(16).fill('0-').join(',')}`);
    expect([reply.status, reply.body.length]).toEqual([206, size]);
    const two = await get('bytes=0-599,400-999');
    expect([two.status, two.headers['content-range']]).toEqual([206, 'bytes 0-999/1000']);
  });

  it('a last byte past the end is the end; other units are the whole', async () => {
    const huge = await get(`bytes=990-${'9'.repeat(40)}`);
    expect([huge.status, huge.body.length]).toEqual([206, 10]);
    expect((await get('bytes=-99999999999999999999')).body.length).toBe(size);
    expect((await get('lines=0-5')).status).toBe(200);
  });

  it('0 and −1 around the end', async () => {
    expect((await get('bytes=999-999')).body.length).toBe(1);
    expect((await get('bytes=999-1000')).body.length).toBe(1);
    expect((await get('bytes=1000-1000')).status).toBe(416);
  });
});

describe('bodies', () => {
  const has = (body: string | Uint8Array) => call({ method: 'POST', target: '/o/has', body });
  const wrong: Record<string, string | Uint8Array> = {
    'an unknown field': '{"addresses":[],"admin":true}',
    'a duplicate key': '{"addresses":[],"addresses":[]}',
    'a duplicate key in another spelling': '{"addresses":[],"\\u0061ddresses":[]}',
    __proto__: '{"addresses":[],"__proto__":{"admin":true}}',
    constructor: '{"addresses":[],"constructor":{"prototype":{"admin":true}}}',
    'depth 10^5': `{"addresses":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    'depth 10^5 of objects': `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
    'invalid UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
    'a lone surrogate': '{"addresses":["\\ud800"]}',
    '1e309': '{"addresses":1e309}',
    NaN: '{"addresses":NaN}',
    'a byte order mark': '\ufeff{"addresses":[]}',
    'two documents': '{"addresses":[]}{"addresses":[]}',
    'a truncated document': '{"addresses":[',
    'an array': '[]',
    null: 'null',
    'a wrong type': '{"addresses":"b3:"}',
    'a bad address': '{"addresses":["b3:../../etc/passwd"]}',
    '1,001 addresses': JSON.stringify({ addresses: Array(1_001).fill(`b3:${'0'.repeat(64)}`) }),
  };
  for (const [what, body] of Object.entries(wrong)) {
    it(`JSON, ${what}: 400`, () => expectRefusal(node, { status: 400, code: 'bad_request' }, () => has(body)));
  }

  it('content encodings, single, stacked and unknown: 415, before a byte is inflated', async () => {
    for (const coding of ['gzip', 'gzip, gzip', 'gzip, br, zstd', 'br', 'deflate', 'x-bomb', 'identity, gzip']) {
      await expectRefusal(node, { status: 415, code: 'unsupported_media_type' }, () =>
        call({ method: 'PUT', target: '/put', headers: { 'Content-Encoding': coding }, body: 'x'.repeat(1_000) }),
      );
    }
  });

  it('a wrong address on PUT: 422, and nothing is stored under either address', async () => {
    const wrongAddress = `b3:${'1'.repeat(64)}`;
    await expectRefusal(node, { status: 422, code: 'bad_digest' }, () =>
      call({ method: 'PUT', target: `/o/${wrongAddress}`, body: `other ${payloadMark}` }),
    );
    const usage = await call({ method: 'POST', target: '/admin/usage', body: '{}' });
    expect((await call({ target: `/o/${wrongAddress}` })).status).toBe(404);
    const honest = await call({ method: 'PUT', target: '/put', body: `other ${payloadMark}` });
    expect(honest.status).toBe(201);
    expect(usage.status).toBe(200);
  });

  it('CR and LF in a name, a path and an encoded value come back encoded or not at all', async () => {
    for (const target of [
      '/n/a%0d%0aX-Injected:%20y',
      '/name/resolve/a%0d%0ab',
      `/o/${address}/a%0d%0aX-Injected:%20y`,
    ]) {
      const reply = await call({ target });
      expect([400, 404]).toContain(reply.status);
      expect(reply.headers['x-injected']).toBeUndefined();
    }
  });

  it('If-Match that is no version, an Idempotency-Key that is none: 400', async () => {
    const body = JSON.stringify({ address });
    for (const headers of [
      { 'If-Match': '1' },
      { 'If-Match': '"-1"' },
      { 'If-Match': '"1e3"' },
      { 'Idempotency-Key': '' },
    ]) {
      await expectRefusal(node, { status: 400, code: 'bad_request' }, () =>
        call({ method: 'PUT', target: '/name/red/team', headers: headers as Record<string, string>, body }),
      );
    }
  });

  it('one Idempotency-Key with two bodies: conflict', async () => {
    const headers = { 'Idempotency-Key': 'the-same-key' };
    const first = await call({ method: 'PUT', target: '/name/red/one', headers, body: JSON.stringify({ address }) });
    const again = await call({ method: 'PUT', target: '/name/red/one', headers, body: JSON.stringify({ address }) });
    expect([first.status, again.body.toString()]).toEqual([200, first.body.toString()]);
    await expectRefusal(node, { status: 409, code: 'conflict' }, () =>
      call({ method: 'PUT', target: '/name/red/two', headers, body: JSON.stringify({ address }) }),
    );
  });
});

describe('header blocks', () => {
  const padded = (headers: string) => `GET /healthz HTTP/1.1\r\nHost: n\r\nConnection: close\r\n${headers}\r\n`;
  it('17 KB in one field, in many fields, in the target: 431', async () => {
    const blocks = [
      padded(`X-Big: ${'a'.repeat(17_000)}\r\n`),
      padded(`X-Big: ${'a'.repeat(170)}\r\n`.repeat(97)),
      `GET /${'a'.repeat(17_000)} HTTP/1.1\r\nHost: n\r\n\r\n`,
    ];
    for (const block of blocks) {
      await expectRefusal(node, { status: 431, code: 'headers_too_large' }, () => exchange(node.port, block));
    }
  });

  it('101 and 1,000 fields: 431; 100 pass', async () => {
    const fields = (count: number) => Array.from({ length: count - 2 }, (_, i) => `X-${i}: v\r\n`).join('');
    for (const count of [101, 1_000]) {
      await expectRefusal(node, { status: 431, code: 'headers_too_large' }, () =>
        exchange(node.port, padded(fields(count))),
      );
    }
    for (const count of [99, 100]) expect((await exchange(node.port, padded(fields(count)))).status).toBe(200);
  });
});
