import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface UnrulyRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Uint8Array;
}

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The connection ends after `after` bytes of the answer's body; without `body`, it is reset before any answer. */
interface Break {
  readonly reset: true;
  readonly body?: Uint8Array;
  readonly after?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the server does with one request. */
export type Deed = Answer | Break | { readonly silence: true };

export interface UnrulyNode {
  readonly url: string;
  readonly requests: UnrulyRequest[];
  /** Resolves when the client has closed the connection of a request that met silence. */
  readonly left: Promise<void>;
  /** Resolves when a request met silence. */
  readonly met: Promise<void>;
  close(): void;
}

/** A real HTTP server on a free port that refuses, resets, stops in the middle or says nothing, as it is told. */
export async function startUnrulyNode(
  onTestFinished: (close: () => void) => void,
  deedOf: (request: UnrulyRequest, index: number) => Deed | Promise<Deed>,
): Promise<UnrulyNode> {
  const requests: UnrulyRequest[] = [];
  const left = Promise.withResolvers<void>();
  const met = Promise.withResolvers<void>();
  const server = createServer(async (incoming, reply) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of incoming) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const request = { method: incoming.method!, target: incoming.url!, headers: incoming.headers, body };
    requests.push(request);
    const deed = await deedOf(request, requests.length - 1);
    if ('silence' in deed) {
      met.resolve();
      reply.once('close', left.resolve);
    } else if ('reset' in deed) reset(deed, reply);
    else {
      reply.writeHead(deed.status ?? 200, { 'content-type': 'application/json', ...deed.headers });
      reply.end(deed.body);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  onTestFinished(close);
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests, left: left.promise, met: met.promise, close };
}

function reset({ body, after = 0, headers }: Break, reply: ServerResponse): void {
  const { socket } = reply;
  if (body === undefined) {
    socket?.resetAndDestroy();
    return;
  }
  reply.writeHead(200, { 'content-length': String(body.byteLength), ...headers });
  // What was written reaches the client before the end of the connection; a reset could overtake it.
  reply.write(body.subarray(0, after), () => socket?.destroy());
  if (after === 0) reply.flushHeaders();
}

/** A refusal as a node writes it. */
export function refusal(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Deed {
  const body = JSON.stringify({ code, message: `${code} by the test`, retryable: true, corr_id: 'of-the-node' });
  return { status, headers, body };
}
