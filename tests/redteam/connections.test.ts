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
  it('64 are taken, and one of 65 gets 503 and the envelope', async () => {
    const all = Array.from({ length: 65 }, () => new RawHttp(port).say('GET /healthz HTTP/1.1\r\nHost: n\r\n'));
    // Which one is the last is the system's to say: several sockets take them in.
    const heardOf = () => all.filter(({ heardBytes }) => heardBytes > 0);
    await eventually(() => heardOf().length > 0, { what: 'one is refused' });
    const [last] = heardOf();
    const refused = await last!.reply();
    const clients = all.filter((client) => client !== last);
    expect([refused.status, (JSON.parse(refused.body.toString()) as { code: string }).code]).toEqual([
      503,
      'unavailable',
    ]);
    using other = new RawHttp(port, { localAddress: '127.0.0.2' });
    other.say('GET /healthz HTTP/1.1\r\nHost: n\r\n\r\n');
    expect((await other.reply()).status).toBe(200);
    clients[63]!.say('\r\n');
    expect((await clients[63]!.reply()).status).toBe(200);
    for (const client of all) client[Symbol.dispose]();
    await eventually(async () => (await ask(port, { target: '/healthz' }).catch(() => undefined))?.status === 200, {
      what: 'the address is served again',
    });
  });
});
