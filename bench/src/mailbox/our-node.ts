import { createRealEnv } from '@ron/kernel/real';
import { gatewayContract } from '@ron/proto/gateway';
import { OapLink } from '@ron/service';
import { startNode } from '../node-process.ts';
import { freePort } from '../processes.ts';
import { bodyBytes, type Contestant, type CycleClient, drive, nextBody } from './contestant.ts';
import { TextSocket } from './socket.ts';

const box = 'queue';
/** What a node takes: streams of one OAP connection, HTTP connections of one address. */
const streamsMax = 64;
const connectionsMax = 64;

/** The three calls of a cycle, whatever carries them. */
export interface MailboxCalls {
  send(input: { box: string; body: string }): Promise<{ readonly durability: string }>;
  recv(input: { box: string; wait_ms: number }): Promise<{ readonly messages: readonly Received[] }>;
  ack(input: { box: string; leases: string[] }): Promise<{ readonly results: readonly { readonly ok: boolean }[] }>;
}

interface Received {
  readonly lease: string;
  readonly body?: string;
}

const waitMs = 10_000;

export function cycleOf(calls: MailboxCalls, close: () => Promise<void>): CycleClient {
  return {
    async cycle() {
      const { durability } = await calls.send({ box, body: nextBody() });
      if (durability !== 'fsync') throw new Error(`the node answers with durability ${durability}`);
      const { messages } = await calls.recv({ box, wait_ms: waitMs });
      const message = messages[0];
      if (message?.body?.length !== bodyBytes) throw new Error('another body came back');
      const { results } = await calls.ack({ box, leases: [message.lease] });
      if (results[0]?.ok !== true) throw new Error('a lease that was just given is not good');
    },
    close,
  };
}

/** A durable node as a user runs it, over OAP/1 on TCP loopback. Links are shared by the clients, as redis' may be. */
export async function startOap(
  folder: string,
  { clientsPerLink }: { readonly clientsPerLink: number },
): Promise<Contestant> {
  const port = await freePort();
  const node = await startNode({ persist: folder, args: ['--oap', `127.0.0.1:${port}`] });
  const env = createRealEnv();
  const capability = new TextEncoder().encode(node.capability);
  const perLink = Math.min(clientsPerLink, streamsMax);
  return {
    name: `micronode over OAP, ${perLink} client(s) a connection`,
    async run(clients, seconds) {
      const address = { kind: 'tcp', host: '127.0.0.1', port } as const;
      const count = Math.ceil(clients / perLink);
      const links = Array.from({ length: count }, () => new OapLink({ env, address, capability: () => capability }));
      const open = async (client: number) => {
        const { mailbox_send, mailbox_recv, mailbox_ack } = links[client % count]!.peer(gatewayContract);
        return cycleOf({ send: mailbox_send, recv: mailbox_recv, ack: mailbox_ack }, async () => undefined);
      };
      const sample = await drive(open, clients, seconds);
      await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
      return sample;
    },
    pids: async () => [node.pid],
    left: () => leftOf(node.url, node.capability),
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

/** The same node over HTTP/1.1, a connection for each client. */
export async function startHttp(folder: string): Promise<Contestant> {
  const node = await startNode({ persist: folder });
  const port = Number(new URL(node.url).port);
  return {
    name: 'micronode over HTTP, a connection each',
    run: (clients, seconds) =>
      drive(
        async (client) => {
          const link = await HttpLink.open(port, node.capability, client);
          return cycleOf(
            {
              send: ({ box: name, ...input }) => link.post(`/mailbox/${name}/send`, input),
              recv: ({ box: name, ...input }) => link.post(`/mailbox/${name}/recv`, input),
              ack: ({ box: name, ...input }) => link.post(`/mailbox/${name}/ack`, input),
            },
            () => link.close(),
          );
        },
        clients,
        seconds,
      ),
    pids: async () => [node.pid],
    left: () => leftOf(node.url, node.capability),
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

async function leftOf(url: string, capability: string): Promise<number> {
  const headers = { authorization: `Bearer ${capability}` };
  const reply = await fetch(`${url}/mailbox/${box}/stats`, { headers });
  const { ready, delayed, in_flight, dead } = (await reply.json()) as Record<string, number>;
  return ready! + delayed! + in_flight! + dead!;
}

/** As little of HTTP/1.1 as the node's JSON answers need: `fetch` costs more than the node does. */
class HttpLink {
  #socket: TextSocket | undefined;
  #waiting: { resolve(body: string): void; reject(error: Error): void } | undefined;
  readonly #headers: string;

  private constructor(port: number, capability: string) {
    this.#headers = `Host: 127.0.0.1:${port}\r\nAuthorization: Bearer ${capability}\r\nContent-Type: application/json\r\n`;
  }

  /** The node takes so many connections from one address; loopback has many addresses. */
  static async open(port: number, capability: string, client: number): Promise<HttpLink> {
    const link = new HttpLink(port, capability);
    const localAddress = `127.0.0.${1 + Math.floor(client / connectionsMax)}`;
    link.#socket = await TextSocket.open(
      { port, localAddress },
      (text) => link.#consume(text),
      (failure) => link.#waiting?.reject(failure),
    );
    return link;
  }

  async post<T>(path: string, input: object): Promise<T> {
    const text = JSON.stringify(input);
    this.#socket!.sendNow(`POST ${path} HTTP/1.1\r\n${this.#headers}Content-Length: ${text.length}\r\n\r\n${text}`);
    const body = await new Promise<string>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    return JSON.parse(body) as T;
  }

  close(): Promise<void> {
    return this.#socket!.close();
  }

  #consume(text: string): number {
    const headEnd = text.indexOf('\r\n\r\n');
    if (headEnd < 0) return 0;
    const head = text.slice(0, headEnd);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(length)) throw new Error(`an answer without a length:\n${head}`);
    const end = headEnd + 4 + length;
    if (text.length < end) return 0;
    const body = text.slice(headEnd + 4, end);
    if (head.startsWith('HTTP/1.1 200')) this.#waiting?.resolve(body);
    else this.#waiting?.reject(new Error(`${head.split('\r\n')[0]} ${body}`));
    return end;
  }
}
