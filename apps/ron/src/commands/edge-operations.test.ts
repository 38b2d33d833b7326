import { mkdtemp, rm } from 'node:fs/promises';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInlineWork } from '@ron/kernel/real';
import { type EdgeOptions, type RunningEdge, startEdge } from '@ron/micronode/edge';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let origin: http.Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let heard: IncomingMessage[];
let edge: RunningEdge | undefined;

beforeEach(async () => {
  heard = [];
  origin = http.createServer((request, response) => {
    heard.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await edge?.close(0);
  edge = undefined;
  origin.closeAllConnections();
  await new Promise((resolve) => origin.close(resolve));
});

const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

async function start(options: Partial<EdgeOptions> = {}): Promise<{ url: string; adminUrl: string }> {
  const { port } = origin.address() as AddressInfo;
  edge = await startEdge({
    origin: { secure: false, host: '127.0.0.1', port },
    address: loopback,
    admin: loopback,
    bytesMax: 8 * 1024 * 1024,
    connectionsMax: 100,
    originConnectionsMax: 8,
    keepHost: false,
    logLevel: 'silent',
    ...options,
  });
  const urlOf = (address: RunningEdge['admin']) => (address?.kind === 'tcp' ? `http://127.0.0.1:${address.port}` : '');
  return { url: urlOf(edge.address), adminUrl: urlOf(edge.admin) };
}

const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
const digest = Buffer.from(createInlineWork().blake3(bytes)).toString('hex');
const path = `/o/b3:${digest}`;

/** As a gateway: whole or by range. */
function serve(body: Uint8Array): typeof answer {
  return ({ headers }, response) => {
    const match = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '');
    const last = Math.min(Number(match?.[2] ?? body.byteLength), body.byteLength - 1);
    const part = match === null ? body : body.subarray(Number(match[1]), last + 1);
    if (match !== null) response.setHeader('content-range', `bytes ${match[1]}-${last}/${body.byteLength}`);
    response.writeHead(match === null ? 200 : 206, { 'content-length': part.byteLength });
    response.end(part);
  };
}

describe('an address', () => {
  it('is answered with its bytes, from here the second time', async () => {
    answer = serve(bytes);
    const { url } = await start();
    for (const word of ['MISS', 'HIT']) {
      const reply = await fetch(url + path);
      expect(Buffer.from(await reply.arrayBuffer()).equals(bytes)).toBe(true);
      expect(reply.headers.get('x-cache')).toBe(word);
    }
    const asked = heard.length;
    const part = await fetch(url + path, { headers: { range: 'bytes=10-12' } });
    expect([part.status, ...new Uint8Array(await part.arrayBuffer())]).toEqual([206, 10, 11, 12]);
    expect(heard).toHaveLength(asked);
  });

  it.each([{}, { authorization: 'Bearer x' }])('never with other bytes when the origin lies: %j', async (headers) => {
    const wrong = Uint8Array.from(bytes);
    wrong[4000]! ^= 1;
    for (const lie of [wrong, bytes.subarray(0, 4999), Uint8Array.of(...bytes, 0)]) {
      answer = serve(lie);
      const { url } = await start();
      for (const range of [undefined, 'bytes=0-9']) {
        const reply = await fetch(url + path, { headers: { ...headers, ...(range === undefined ? {} : { range }) } });
        expect(reply.status).toBe(502);
        expect(await reply.json()).toMatchObject({ code: 'integrity' });
      }
      await edge?.close(0);
    }
  });

  it('with credentials is asked for each time with them, and not kept for others', async () => {
    answer = (request, response) => {
      if (request.headers.authorization === 'Bearer good') serve(bytes)(request, response);
      else response.writeHead(404).end();
    };
    const { url } = await start();
    const reply = await fetch(url + path, { headers: { authorization: 'Bearer good' } });
    expect((await reply.arrayBuffer()).byteLength).toBe(bytes.byteLength);
    expect(reply.headers.get('cache-control')).toMatch(/^private/);
    expect((await fetch(url + path, { headers: { authorization: 'Bearer bad' } })).status).toBe(404);
    expect((await fetch(url + path)).status).toBe(404);
  });

  it('is any other path without verification', async () => {
    answer = serve(bytes.subarray(1));
    const { url } = await start({ verified: false });
    expect((await fetch(url + path)).status).toBe(200);
  });
});

describe('the operator’s side', () => {
  it('is beyond loopback neither by mistake nor by wish', async () => {
    await expect(start({ admin: { kind: 'tcp', host: '0.0.0.0', port: 0 } })).rejects.toMatchObject({ code: 'EACCES' });
  });

  it('tells what the cache does, purges, and says when it is going', async () => {
    answer = (_request, response) => void response.writeHead(200, { 'cache-control': 'max-age=60' }).end('x');
    const { url, adminUrl } = await start();
    for (let i = 0; i < 2; i++) await (await fetch(`${url}/a`)).text();
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/requests_total\{service="edge",op="read",code="hit"\} 1\n/);
    expect(metrics).toMatch(/edge_stored_responses 1\n/);
    const purged = await fetch(`${adminUrl}/purge`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"all":true}',
    });
    expect(await purged.json()).toEqual({ purged: 1 });
    expect(await (await fetch(`${adminUrl}/readyz`)).json()).toMatchObject({ ready: true });
    expect(await (await fetch(`${adminUrl}/version`)).json()).toMatchObject({ name: 'edge' });
  });

  it('takes an object down that was verified, and shows what there is of them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edge-'));
    try {
      answer = serve(bytes);
      const { url, adminUrl } = await start({ disk: { folder, bytesMax: 16 * 1024 * 1024 } });
      await (await fetch(url + path)).arrayBuffer();
      const usage = await (await fetch(`${adminUrl}/usage`)).json();
      expect(usage).toMatchObject({ objects: { entries: 1, disk_entries: 0 } });
      expect(await (await fetch(`${adminUrl}/readyz`)).text()).toContain('disk-tier');
      const purged = await fetch(`${adminUrl}/purge`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ url: path }),
      });
      expect(await purged.json()).toEqual({ purged: 1 });
      answer = (_request, response) => void response.writeHead(404).end();
      expect((await fetch(url + path)).status).toBe(404);
    } finally {
      await edge?.close(0);
      edge = undefined;
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('is not found where clients ask', async () => {
    answer = (_request, response) => void response.writeHead(418).end();
    const { url } = await start();
    for (const target of ['/metrics', '/usage', '/readyz', '/healthz']) {
      expect((await fetch(url + target)).status).toBe(418);
    }
  });

  it('listens on a socket of its own, which another user cannot enter', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edge-'));
    try {
      const socket = join(folder, 'run', 'admin.sock');
      await start({ admin: { kind: 'unix', path: socket } });
      const heardBack = await new Promise<string>((resolve, reject) => {
        let text = '';
        const client = connect(socket, () =>
          client.end('GET /healthz HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n'),
        );
        client.on('data', (piece) => {
          text += piece.toString();
        });
        client.once('end', () => resolve(text)).once('error', reject);
      });
      expect(heardBack).toMatch(/^HTTP\/1\.1 200 /);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

it('keeps bodies and objects on disk in one folder, and gives it back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edge-'));
  const disk = { folder, bytesMax: 16 * 1024 * 1024 };
  try {
    await start({ disk });
    await expect(start({ disk })).rejects.toMatchObject({ code: 'EBUSY' });
    await edge?.close(0);
    await start({ disk });
  } finally {
    await edge?.close(0);
    edge = undefined;
    await rm(folder, { recursive: true, force: true });
  }
});
