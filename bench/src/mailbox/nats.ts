import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, output, start, until } from '../processes.ts';
import { bodyBytes, type Contestant, type CycleClient, drive, nextBody } from './contestant.ts';
import { TextSocket } from './socket.ts';

const api = '$JS.API';
const subject = 'queue.in';

/**
 * A work queue of JetStream with a durable pull consumer. `sync_interval: always` where the server knows it; an
 * older one syncs every two minutes, which the count of syncs shows.
 */
export async function startNats(folder: string, { shared }: { readonly shared: boolean }): Promise<Contestant> {
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const file = join(folder, 'nats.conf');
  const text = (more: string) =>
    `listen: "127.0.0.1:${port}"\nmax_pending: 256MB\njetstream { store_dir: "${join(folder, 'store')}"${more} }\n`;
  await writeFile(file, text(', sync_interval: always'));
  const always = await output('nats-server', ['-t', '-c', file]).then(
    () => true,
    () => false,
  );
  if (!always) await writeFile(file, text(''));
  await using starting = new AsyncDisposableStack();
  const running = starting.use(start('nats-server', ['-c', file, '-l', join(folder, 'nats.log')]));
  const link = () => NatsLink.open(port);
  await until(
    () =>
      link().then(
        (one) => one.close().then(() => true),
        () => false,
      ),
    'nats being ready',
  );
  const control = await link();
  await control.ask(0, `${api}.STREAM.CREATE.QUEUE`, {
    ...{ name: 'QUEUE', subjects: [subject], retention: 'workqueue', storage: 'file', num_replicas: 1 },
  });
  await control.ask(0, `${api}.CONSUMER.DURABLE.CREATE.QUEUE.WORKERS`, {
    stream_name: 'QUEUE',
    config: {
      durable_name: 'WORKERS',
      ack_policy: 'explicit',
      ack_wait: 30e9,
      max_ack_pending: 10_000,
      max_waiting: 1_024,
    },
  });
  starting.move();
  return {
    name: `NATS JetStream, sync_interval ${always ? 'always' : 'unknown to this version'}, ${shared ? 'a shared connection' : 'a connection each'}`,
    async run(clients, seconds) {
      const links = await Promise.all(Array.from({ length: shared ? 1 : clients }, link));
      const sample = await drive(async (client) => cycleOf(links[client % links.length]!, client), clients, seconds);
      await Promise.all(links.map((one) => one.close()));
      return sample;
    },
    pids: async () => [running.child.pid!],
    async left() {
      const { text: info } = await control.ask(0, `${api}.STREAM.INFO.QUEUE`, {});
      return (JSON.parse(info) as { state: { messages: number } }).state.messages;
    },
    async [Symbol.asyncDispose]() {
      await control.close();
      await running[Symbol.asyncDispose]();
    },
  };
}

function cycleOf(link: NatsLink, client: number): CycleClient {
  return {
    async cycle() {
      const sent = await link.ask(client, subject, nextBody());
      if (!sent.text.includes('"seq"')) throw new Error(`nats: ${sent.text}`);
      const taken = await link.ask(client, `${api}.CONSUMER.MSG.NEXT.QUEUE.WORKERS`, { batch: 1, expires: 10e9 });
      if (taken.text.length !== bodyBytes) throw new Error('nats: another body came back');
      // With a reply subject the server confirms the acknowledgement.
      await link.ask(client, taken.reply, '+ACK');
    },
    close() {
      // The connection may belong to several clients.
    },
  };
}

interface Answer {
  readonly reply: string;
  readonly text: string;
}

/** One connection. Each client has one inbox and one question at a time. */
class NatsLink {
  #socket: TextSocket | undefined;
  readonly #waiting = new Map<string, { resolve(answer: Answer): void; reject(error: Error): void }>();
  readonly #inboxes = new Set<string>();
  readonly #prefix = `_INBOX.${process.pid}.${Math.random().toString(36).slice(2)}`;

  static async open(port: number): Promise<NatsLink> {
    const link = new NatsLink();
    link.#socket = await TextSocket.open(
      { port },
      (text) => link.#consume(text),
      (failure) => {
        for (const { reject } of link.#waiting.values()) reject(failure);
      },
    );
    link.#socket.send('CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"echo":true}\r\n');
    return link;
  }

  ask(client: number, to: string, payload: string | object): Promise<Answer> {
    const sid = String(client + 1);
    const inbox = `${this.#prefix}.${sid}`;
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
    const subscribe = this.#inboxes.has(sid) ? '' : `SUB ${inbox} ${sid}\r\n`;
    this.#inboxes.add(sid);
    this.#socket!.send(`${subscribe}PUB ${to} ${inbox} ${text.length}\r\n${text}\r\n`);
    return new Promise((resolve, reject) => void this.#waiting.set(sid, { resolve, reject }));
  }

  async close(): Promise<void> {
    await this.#socket?.close();
  }

  #consume(text: string): number {
    let at = 0;
    for (;;) {
      const lineEnd = text.indexOf('\r\n', at);
      if (lineEnd < 0) return at;
      const words = text.slice(at, lineEnd).split(' ');
      const next = lineEnd + 2;
      if (words[0] === 'MSG') {
        const end = next + Number(words.at(-1));
        if (text.length < end + 2) return at;
        const waiting = this.#waiting.get(words[2]!);
        waiting?.resolve({ reply: words.length === 5 ? words[3]! : '', text: text.slice(next, end) });
        at = end + 2;
        continue;
      }
      if (words[0] === 'HMSG') {
        // A status instead of a message: nobody answers, or nothing came in time.
        const end = next + Number(words.at(-1));
        if (text.length < end + 2) return at;
        this.#waiting.get(words[2]!)?.reject(new Error(`nats: ${text.slice(next, end).split('\r\n')[0]}`));
        at = end + 2;
        continue;
      }
      if (words[0] === 'PING') this.#socket?.send('PONG\r\n');
      if (words[0] === '-ERR') throw new Error(`nats: ${words.join(' ')}`);
      at = next;
    }
  }
}
