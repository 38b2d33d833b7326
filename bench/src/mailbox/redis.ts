import { mkdir } from 'node:fs/promises';
import { freePort, start, until } from '../processes.ts';
import { bodyBytes, type Contestant, type CycleClient, drive, nextBody } from './contestant.ts';
import { type Reply, RespConnection } from './resp.ts';

export interface RedisVariant {
  readonly ioThreads: number;
  /** Connections that the clients share; 0: one each. */
  readonly connections: number;
}

const stream = 'queue';
const group = 'workers';

/**
 * A stream with a consumer group. Every command of a turn of its event loop is on the disk before any of them is
 * answered (`appendfsync always`). The log is never rewritten during the run.
 */
export async function startRedis(folder: string, { ioThreads, connections }: RedisVariant): Promise<Contestant> {
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const settings = { appendonly: 'yes', appendfsync: 'always', save: '', 'auto-aof-rewrite-percentage': '0' };
  await using starting = new AsyncDisposableStack();
  const running = starting.use(
    start('redis-server', [
      ...Object.entries({ ...settings, dir: folder, port: String(port), 'io-threads': String(ioThreads) }).flatMap(
        ([name, value]) => [`--${name}`, value],
      ),
      ...['--bind', '127.0.0.1', '--loglevel', 'notice'],
    ]),
  );
  await until(() => running.stdout().includes('Ready to accept'), 'redis being ready');
  const control = await RespConnection.open(port, false);
  await control.commands(['XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM']);
  starting.move();
  return {
    name: `Redis streams, io-threads ${ioThreads}, ${connections === 0 ? 'a connection each' : `${connections} shared connection(s)`}`,
    async run(clients, seconds) {
      const count = connections === 0 ? clients : Math.min(connections, clients);
      const open = Array.from({ length: count }, () => RespConnection.open(port, count < clients));
      const opened = await Promise.all(open);
      const sample = await drive(
        async (client) => cycleOf(opened[client % count]!, `worker-${client}`),
        clients,
        seconds,
      );
      await Promise.all(opened.map((connection) => connection.close()));
      return sample;
    },
    pids: async () => [running.child.pid!],
    left: async () => Number(await control.commands(['XLEN', stream])),
    async [Symbol.asyncDispose]() {
      await control.close();
      await running[Symbol.asyncDispose]();
    },
  };
}

function cycleOf(connection: RespConnection, consumer: string): CycleClient {
  return {
    async cycle() {
      await connection.commands(['XADD', stream, '*', 'b', nextBody()]);
      const reply = await connection.commands([
        ...['XREADGROUP', 'GROUP', group, consumer, 'COUNT', '1', 'STREAMS', stream, '>'],
      ]);
      const [id, fields] = firstEntry(reply);
      if (fields[1]?.length !== bodyBytes) throw new Error('redis: another body came back');
      // One write, one turn of its event loop, one sync.
      const deleted = await connection.commands(['XACK', stream, group, id], ['XDEL', stream, id]);
      if (deleted !== 1) throw new Error('redis: a message that was received is not there');
    },
    close() {
      // The connection may belong to several clients.
    },
  };
}

function firstEntry(reply: Reply): [string, readonly string[]] {
  const streams = reply as readonly [string, readonly [string, readonly string[]][]][] | undefined;
  const entry = streams?.[0]?.[1][0];
  if (entry === undefined) throw new Error('redis: nothing to receive');
  return [entry[0], entry[1]];
}
