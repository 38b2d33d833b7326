import http from 'node:http';
import type { NodeProcess } from '../support/node-process.ts';

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Plain HTTP, one connection a call: after each, the node holds nothing for this client. */
export function call(
  node: Pick<NodeProcess, 'port' | 'capability'>,
  method: string,
  path: string,
  body?: Uint8Array | string,
  timeoutMs = 30_000,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${node.capability}`,
      connection: 'close',
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
    };
    const request = http.request(
      { host: '127.0.0.1', port: node.port, method, path, headers, agent: false },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.once('error', reject);
        // A refusal may come, whole, before the node has read what it refuses: the reset that follows changes nothing.
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) }),
        );
        response.once('close', () => reject(new Error('the answer broke off')));
      },
    );
    request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer in ${timeoutMs} ms`)));
    request.once('error', reject);
    request.end(body);
  });
}

export const jsonOf = (reply: Reply) => JSON.parse(reply.body.toString()) as Record<string, unknown>;

export async function put(node: NodeProcess, bytes: Uint8Array): Promise<string> {
  const reply = await call(node, 'PUT', '/put', bytes);
  if (reply.status !== 200 && reply.status !== 201) throw new Error(`PUT: ${reply.status} ${reply.body.toString()}`);
  return jsonOf(reply)['address'] as string;
}

/** The version that was acknowledged. */
export async function setName(node: NodeProcess, name: string, address: string): Promise<number> {
  const reply = await call(node, 'PUT', `/name/${name}`, JSON.stringify({ address }));
  if (reply.status !== 200) throw new Error(`name: ${reply.status} ${reply.body.toString()}`);
  return jsonOf(reply)['version'] as number;
}
