import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { payloadMark } from './signs.ts';

/** What can be wrong with it; `nothing` is the server that the oracle must find no fault with. */
export const breakages = [
  'nothing',
  'crash',
  'leak-memory',
  'leak-descriptors',
  'leak-timers',
  'leak-inflight',
  'block',
  'refuse-others',
  'wrong-bytes',
  'uncounted',
  'unlogged',
  'logged-twice',
  'unstructured-log',
  'log-payload',
  'log-secret',
  'no-envelope',
  'wrong-status',
  'echo-payload',
  'always-busy',
] as const;
export type Breakage = (typeof breakages)[number];

/** For how long `block` keeps the event loop at each attack. */
const blockMs = 400;
/** The path under which it is attacked, each time with a refusal. */
export const attackedPath = '/attacked';
export const goodPath = '/good';
export const goodContent = 'good content';
const capability = `canary-capability-${'c'.repeat(24)}`;

/** Serves as little of a node's surface as the oracle looks at, and breaks one of its rules whenever it is attacked. */
function serve(breakage: Breakage): void {
  let refused = 0;
  let inflight = 0;
  let attacked = false;
  const kept: unknown[] = [];
  const log = (fields: object) => void process.stderr.write(`${JSON.stringify(fields)}\n`);

  const harm = (port: number): void => {
    attacked = true;
    if (breakage === 'crash') process.exit(3);
    if (breakage === 'leak-memory') kept.push(Array.from({ length: 200_000 }, (_, at) => ({ at })));
    if (breakage === 'leak-descriptors')
      kept.push(http.get({ port, path: '/hold', agent: new http.Agent({ keepAlive: true }) }));
    if (breakage === 'leak-timers') kept.push(setInterval(() => undefined, 100_000));
    if (breakage === 'leak-inflight') inflight++;
    if (breakage === 'block') for (const until = performance.now() + blockMs; performance.now() < until; );
    if (breakage === 'unstructured-log') process.stderr.write('Something went wrong!\n');
    if (breakage === 'log-payload') log({ msg: 'refused', body: payloadMark });
    if (breakage === 'log-secret') log({ msg: 'refused', token: capability });
  };

  const refuse = (response: http.ServerResponse, port: number): void => {
    harm(port);
    if (breakage !== 'uncounted') refused++;
    const corr_id = `canary-${refused}-${Math.trunc(performance.now())}`;
    if (breakage !== 'unlogged') log({ level: 'info', corr_id, msg: 'request refused' });
    if (breakage === 'logged-twice') log({ level: 'info', corr_id, msg: 'request refused' });
    if (breakage === 'always-busy') {
      const details = { gate: 'inflight' };
      response.writeHead(503, { connection: 'close', 'retry-after': '1' });
      response.end(JSON.stringify({ code: 'unavailable', message: 'busy', retryable: true, corr_id, details }));
      return;
    }
    const message = breakage === 'echo-payload' ? payloadMark : 'no';
    const body = JSON.stringify({ code: 'bad_request', message, retryable: false, corr_id });
    const text = breakage === 'no-envelope' ? 'Bad Request' : body;
    const headers = { connection: 'close', 'content-length': Buffer.byteLength(text) };
    response.writeHead(breakage === 'wrong-status' ? 500 : 400, headers).end(text);
  };

  const server = http.createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    if (request.url === attackedPath) return refuse(response, port);
    if (request.url === '/hold') return; // Never answered: the other end of a descriptor that leaks.
    if (request.url === '/metrics') {
      const lines = [
        `rejected_total{service="http",reason="bad_request"} ${refused}`,
        `inflight{service="canary"} ${inflight}`,
      ];
      response.setHeader('connection', 'close');
      response.end(`${lines.join('\n')}\n`);
      return;
    }
    if (attacked && breakage === 'refuse-others') {
      response.writeHead(429).end('not you');
      return;
    }
    response.end(attacked && breakage === 'wrong-bytes' ? goodContent.toUpperCase() : goodContent);
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.stdout.write(`export RON_NODE_URL=http://127.0.0.1:${port} RON_CAP=${capability}\n`);
  });
}

if (process.argv[1] === import.meta.filename) serve(process.argv[2] as Breakage);
