import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { ask, RawHttp } from './raw-http.ts';
import { eventually } from './signs.ts';

let port: number;
let node: NodeProcess;
beforeAll(async () => {
  node = await startNodeProcess();
  port = node.port;
});
afterAll(() => node[Symbol.asyncDispose]());

describe('connections of one address', () => {
  it('63 and 64 are taken, the 65th gets 503 and the envelope', async () => {
    const clients = Array.from({ length: 64 }, () => new RawHttp(port).say('GET /healthz HTTP/1.1\r\nHost: n\r\n'));
    await eventually(async () => clients.every(({ socket }) => !socket.connecting), { what: '64 connections' });
    using last = new RawHttp(port);
    const refused = await last.reply();
    expect([refused.status, (JSON.parse(refused.body.toString()) as { code: string }).code]).toEqual([
      503,
      'unavailable',
    ]);
    using other = new RawHttp(port, { localAddress: '127.0.0.2' });
    other.say('GET /healthz HTTP/1.1\r\nHost: n\r\n\r\n');
    expect((await other.reply()).status).toBe(200);
    clients[63]!.say('\r\n');
    expect((await clients[63]!.reply()).status).toBe(200);
    for (const client of clients) client[Symbol.dispose]();
    await eventually(async () => (await ask(port, { target: '/healthz' }).catch(() => undefined))?.status === 200, {
      what: 'the address is served again',
    });
  });
});
