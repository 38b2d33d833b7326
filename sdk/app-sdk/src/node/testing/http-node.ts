import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface NodeRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface NodeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string;
}

/** An HTTP server on a free port until the test is over: `onTestFinished`. Undefined is answered as 404. */
export async function startHttpNode(
  onTestFinished: (close: () => void) => void,
  answer: (request: NodeRequest) => NodeAnswer | undefined | Promise<NodeAnswer | undefined>,
): Promise<{ readonly url: string; readonly requests: NodeRequest[] }> {
  const requests: NodeRequest[] = [];
  const server = createServer(async (incoming, reply) => {
    let body = '';
    for await (const piece of incoming) body += piece;
    const request = { method: incoming.method!, target: incoming.url!, headers: incoming.headers, body };
    requests.push(request);
    const { status = 200, headers = {}, json, text } = (await answer(request)) ?? notFound;
    reply.writeHead(status, { 'content-type': json === undefined ? 'text/plain' : 'application/json', ...headers });
    reply.end(json === undefined ? text : JSON.stringify(json));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

const notFound: NodeAnswer = {
  status: 404,
  json: { code: 'not_found', message: 'there is nothing here', retryable: false, corr_id: 'c' },
};
