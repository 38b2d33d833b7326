import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, residentBytes, StartError, startNodeProcess } from '../support/node-process.ts';
import { many } from './attack.ts';
import { baseline, expectRefusal } from './oracle.ts';
import { ask, RawHttp, requestBytes } from './raw-http.ts';
import { envelopeOf } from './signs.ts';

const MiB = 1_048_576;
const objectMax = 100_000;
let node: NodeProcess;
beforeAll(async () => {
  node = await startNodeProcess({
    args: [
      ...['--set', 'server.log_level=info', '--set', 'memory.blob_bytes_max=8388608'],
      ...['--set', `gateway.object_bytes_max=${objectMax}`, '--set', 'server.inflight_max=16'],
    ],
  });
});
afterAll(() => node[Symbol.asyncDispose]());

const auth = () => ({ Authorization: `Bearer ${node.capability}` });
const call = (method: string, target: string, body?: string | Uint8Array) =>
  ask(node.port, { method, target, headers: auth(), ...(body === undefined ? {} : { body }) });
const usage = async () =>
  JSON.parse((await call('POST', '/admin/usage', '{}')).body.toString()) as {
    objects: number;
    bytes: number;
    uploads: number;
  };
const chunked = (bytes: number) => {
  const head = `PUT /put HTTP/1.1\r\nHost: n\r\nConnection: close\r\nAuthorization: Bearer ${node.capability}\r\n`;
  return Buffer.concat([
    Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n${bytes.toString(16)}\r\n`),
    Buffer.alloc(bytes, 0x65),
    Buffer.from('\r\n0\r\n\r\n'),
  ]);
};

describe('object size', () => {
  it('limit −1 and limit are stored', async () => {
    for (const size of [objectMax - 1, objectMax]) {
      expect((await call('PUT', '/put', Buffer.alloc(size, 0x66))).status).toBe(201);
      using client = new RawHttp(node.port);
      client.say(chunked(size));
      expect([200, 201]).toContain((await client.reply()).status);
    }
  });

  it('limit +1 is refused, announced or not, and leaves nothing', async () => {
    const before = await usage();
    const expected = { status: 413, code: 'payload_too_large' };
    await expectRefusal(node, expected, () => call('PUT', '/put', Buffer.alloc(objectMax + 1)));
    await expectRefusal(node, expected, async () => {
      using client = new RawHttp(node.port);
      client.say(chunked(objectMax + 1));
      return await client.reply();
    });
    const after = await usage();
    expect(after.objects).toBeLessThanOrEqual(before.objects + 1);
  });

  it('a Content-Length of 2^53 is refused at once', () =>
    expectRefusal(node, { status: 413, code: 'payload_too_large' }, async () => {
      using client = new RawHttp(node.port);
      const head = `PUT /put HTTP/1.1\r\nHost: n\r\nAuthorization: Bearer ${node.capability}\r\n`;
      client.say(`${head}Content-Length: 9007199254740992\r\n\r\n`);
      return await client.reply();
    }));
});

describe('control bodies', () => {
  it('1 MiB −1 and 1 MiB pass, 1 MiB +1 is refused', async () => {
    const json = JSON.stringify({ addresses: [`b3:${'0'.repeat(64)}`] });
    const padded = (size: number) => json + ' '.repeat(size - json.length);
    for (const size of [MiB - 1, MiB]) expect((await call('POST', '/o/has', padded(size))).status).toBe(200);
    await expectRefusal(node, { status: 413, code: 'payload_too_large' }, () =>
      call('POST', '/o/has', padded(MiB + 1)),
    );
  });

  it('depth 32 passes the parser, 33 does not', async () => {
    const deep = (depth: number) => `{"addresses":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
    for (const depth of [31, 32]) {
      expect(envelopeOf(await call('POST', '/o/has', deep(depth))).message).not.toMatch(/deep|depth|nest/i);
    }
    expect(envelopeOf(await call('POST', '/o/has', deep(33))).message).toMatch(/deep|depth|nest/i);
  });

  it('999 and 1,000 addresses pass', async () => {
    for (const count of [999, 1_000]) {
      const body = JSON.stringify({ addresses: Array(count).fill(`b3:${'0'.repeat(64)}`) });
      expect((await call('POST', '/o/has', body)).status).toBe(200);
    }
  });
});

describe('requests in flight', () => {
  it('who is slow with a body takes nobody’s place', async () => {
    const before = await baseline(node);
    const head = `PUT /put HTTP/1.1\r\nHost: n\r\nAuthorization: Bearer ${node.capability}\r\nContent-Length: 10\r\n\r\n`;
    const clients = Array.from({ length: 14 }, () => new RawHttp(node.port).say(head));
    for (let i = 0; i < 20; i++) expect([200, 201]).toContain((await call('PUT', '/put', `one more ${i}`)).status);
    expect((await call('GET', '/names')).status).toBe(200);
    for (const client of clients) client[Symbol.dispose]();
    await before.survived();
  });
});

describe('concurrency', () => {
  it('100 equal PUTs at once make one copy', async () => {
    const before = await usage();
    let stored = 0;
    await many(100, 12, async () => {
      const reply = await call('PUT', '/put', Buffer.alloc(70_000, 0x67));
      expect([200, 201]).toContain(reply.status);
      if (reply.status === 201) stored++;
    });
    const after = await usage();
    expect([stored, after.objects - before.objects]).toEqual([1, 1]);
    // The bytes and what the engine keeps about them.
    expect(after.bytes - before.bytes).toBeLessThan(72_000);
  });

  it('1,000 aborted uploads leave nothing', async () => {
    const before = await usage();
    const oracle = await baseline(node);
    await many(1_000, 10, async (index) => {
      using client = new RawHttp(node.port);
      client.say(requestBytes({ method: 'PUT', target: '/put', headers: { ...auth(), 'Content-Length': '90000' } }));
      client.say(Buffer.alloc(1_000 + index, index));
      await new Promise((resolve) => client.socket.once('connect', resolve));
      if (index % 2 === 0) client.socket.resetAndDestroy();
    });
    await oracle.survived();
    expect(await usage()).toEqual(before);
  });

  it('1,000 readers of one object are all served the same bytes', async () => {
    const bytes = Buffer.alloc(99_000, 0x68);
    const { address } = JSON.parse((await call('PUT', '/put', bytes)).body.toString()) as { address: string };
    const before = await baseline(node);
    await many(1_000, 12, async () => {
      const reply = await call('GET', `/o/${address}`);
      expect([reply.status, reply.body.equals(bytes)]).toEqual([200, true]);
    });
    await before.survived();
  });

  it('a race for one name has one winner a version', async () => {
    const { address } = JSON.parse((await call('PUT', '/put', 'raced')).body.toString()) as { address: string };
    const set = () =>
      ask(node.port, {
        method: 'PUT',
        target: '/name/race/one',
        headers: { ...auth(), 'If-None-Match': '*' },
        body: JSON.stringify({ address }),
      });
    const statuses = (await Promise.all(Array.from({ length: 12 }, set))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(11);
  });
});

describe('budgets', () => {
  it('one-byte objects fill the budget: 507 before it, and the node lives and reads', async () => {
    const { address: kept } = JSON.parse((await call('PUT', '/put', 'kept')).body.toString()) as { address: string };
    const resident = residentBytes(node.pid);
    let refused = 0;
    let stored = 0;
    const pipelined = async (from: number) => {
      using client = new RawHttp(node.port);
      for (let i = from; i < from + 50; i++) {
        const body = `o${i}`;
        client.say(
          `PUT /put HTTP/1.1\r\nHost: n\r\nAuthorization: Bearer ${node.capability}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        const reply = await client.reply();
        if (reply.status === 507) refused++;
        else if (reply.status === 201) stored++;
        else throw new Error(`${reply.status} ${reply.body.toString()}`);
      }
    };
    for (let i = 0; i < 100_000 && refused === 0; i += 500) {
      await Promise.all(Array.from({ length: 10 }, (_, part) => pipelined(i + part * 50)));
    }
    expect(refused).toBeGreaterThan(0);
    expect(stored).toBeGreaterThan(1_000);
    expect(residentBytes(node.pid) - resident).toBeLessThan(160 * MiB);
    const full = await call('PUT', '/put', Buffer.alloc(90_000, 0x70));
    expect([full.status, envelopeOf(full).code]).toEqual([507, 'insufficient_storage']);
    expect((await call('PUT', '/put', 'o1')).status).not.toBe(500);
    expect((await call('GET', `/o/${kept}`)).body.toString()).toBe('kept');
    expect(await usage()).toMatchObject({ uploads: 0 });
    expect(node.alive).toBe(true);
  });
});

describe('a folder has one owner', () => {
  it('a second process on it is refused in three lines and the first goes on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ron-redteam-'));
    try {
      await using first = await startNodeProcess({ args: ['--persist', folder] });
      const second = await startNodeProcess({ args: ['--persist', folder] }).then(
        async (process) => {
          await process[Symbol.asyncDispose]();
          return undefined;
        },
        (error: unknown) => error as StartError,
      );
      expect(second).toBeInstanceOf(StartError);
      expect(second!.exit.code).toBe(6);
      expect(second!.stderr.trim().split('\n')).toHaveLength(3);
      expect(first.alive).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
