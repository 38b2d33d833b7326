import { Worker } from 'node:worker_threads';

/**
 * A node with one message, in a thread of its own: it answers also while the test's event loop is blocked. Its lease ends
 * with its ack, at no time: a test must not depend on when its threads get their turns. `{"kind":"counts"}` comes back
 * for each message posted to it.
 */
const source = `
  const { createServer } = require('node:http');
  const { parentPort, workerData: extended } = require('node:worker_threads');
  const counts = { extend: 0, ack: 0, late: 0, capability: '' };
  let left = 1;
  let leased = false;
  const server = createServer((request, reply) => {
    let text = '';
    request.on('data', (bytes) => { text += bytes; });
    request.on('end', () => {
      const operation = request.url.split('/').at(-1);
      const input = JSON.parse(text || '{}');
      const answer = (status, value) => {
        reply.writeHead(status, { 'content-type': 'application/json' });
        reply.end(JSON.stringify(value));
      };
      if (operation === 'recv') {
        if (left === 0) return setTimeout(() => answer(200, { messages: [] }), 20);
        left -= 1;
        leased = true;
        const message = { id: 'M', body: 'x', priority: 0, sent_at: 1, attempt: 1, lease: 'L', fence: 1 };
        return answer(200, { messages: [{ ...message, lease_ms: input.visibility_ms }] });
      }
      counts[operation] += 1;
      counts.capability = request.headers.authorization;
      if (!leased) {
        counts.late += 1;
        return answer(409, { code: 'conflict', message: 'the lease ended', retryable: false, corr_id: 'c' });
      }
      if (operation === 'ack') leased = false;
      else {
        Atomics.add(extended, 0, 1);
        Atomics.notify(extended, 0);
      }
      answer(200, { results: [{ lease: 'L', ok: true }] });
    });
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage({ kind: 'listening', port: server.address().port }));
  parentPort.on('message', () => parentPort.postMessage({ kind: 'counts', ...counts }));
`;

/** Only who waits for what never comes waits so long. */
const hangMs = 30_000;

export interface BoxCounts {
  readonly extend: number;
  readonly ack: number;
  /** Calls with a lease that had ended, or was none. */
  readonly late: number;
  readonly capability: string;
}

export interface BoxServer extends AsyncDisposable {
  readonly url: string;
  counts(): Promise<BoxCounts>;
  /** Blocks the event loop of the caller until the lease was extended so often. */
  blockUntilExtended(times: number): void;
}

export async function startBoxServer(): Promise<BoxServer> {
  const extended = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(source, { eval: true, workerData: extended });
  const next = () => new Promise<never>((resolve) => worker.once('message', resolve));
  const { port } = (await next()) as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    counts() {
      const answer = next();
      worker.postMessage({});
      return answer;
    },
    blockUntilExtended(times) {
      for (let seen = 0; seen < times; seen = Atomics.load(extended, 0)) {
        if (Atomics.wait(extended, 0, seen, hangMs) === 'timed-out') throw new Error(`extended ${seen} times only`);
      }
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}
