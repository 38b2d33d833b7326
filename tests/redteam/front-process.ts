import { fileURLToPath } from 'node:url';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { ask } from './raw-http.ts';

const ron = fileURLToPath(new URL('../../apps/ron/bin/ron.js', import.meta.url));

/** What the good client of a front reads. */
export const behindFront = 'behind a front';

/** A front with one good backend, and something that the backend serves. */
export interface FrontPair extends AsyncDisposable {
  readonly front: NodeProcess;
  readonly node: NodeProcess;
  readonly path: string;
  readonly headers: { readonly Authorization: string };
}

/** `others` are further backends, as `host:port`, which the caller made. */
export async function startFront(others: readonly string[], args: readonly string[] = []): Promise<FrontPair> {
  await using stack = new AsyncDisposableStack();
  const nodeArgs = ['--set', 'server.log_level=info', '--oap', '127.0.0.1:0'];
  const node = stack.use(await startNodeProcess({ args: nodeArgs, sheds: true }));
  const backends = [node.oap!, ...others].flatMap((backend) => ['--backend', backend]);
  const line = ['omnigate', ...backends, '--listen', '127.0.0.1:0', '--set', 'front.log_level=info', ...args];
  const { capability } = node;
  const front = stack.use(await startNodeProcess({ program: [ron, ...line], capability, observed: true }));
  const headers = { Authorization: `Bearer ${capability}` };
  const stored = await ask(node.port, { method: 'PUT', target: '/put', headers, body: behindFront });
  const { address } = JSON.parse(stored.body.toString()) as { address: string };
  const running = stack.move();
  return { front, node, path: `/o/${address}`, headers, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
