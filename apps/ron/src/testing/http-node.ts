import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface NodeRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Answers JSON on a free port until the test is over: `onTestFinished`. Undefined is 401, as a node says it. */
export async function startHttpNode(
  onTestFinished: (close: () => void) => void,
  answer: (request: NodeRequest) => object | undefined,
): Promise<{ readonly url: string; readonly requests: NodeRequest[] }> {
  const requests: NodeRequest[] = [];
  const server = createServer(async (incoming, reply) => {
    const hasBody = Number(incoming.headers['content-length'] ?? 0) > 0;
    const body = hasBody ? ((await json(incoming)) as NodeRequest['body']) : {};
    const request = { method: incoming.method!, target: incoming.url!, headers: incoming.headers, body };
    requests.push(request);
    const found = answer(request);
    reply.writeHead(found === undefined ? 401 : 200, { 'content-type': 'application/json' });
    reply.end(JSON.stringify(found ?? refused));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

const refused = { code: 'unauthenticated', message: 'not valid here', retryable: false, corr_id: 'corr-id-1' };
