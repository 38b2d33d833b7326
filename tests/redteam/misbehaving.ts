import { parseArgs } from 'node:util';
import { createBus, createHealth, createMetrics, createSupervisor, type KernelEvent, type Log } from '@ron/kernel';
import { createLog, createRealEnv, measureProcess, waitForShutdown } from '@ron/kernel/real';
import { defineContract } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { bindHttp, createOpsEndpoints, defineService, hostService, httpRefusal } from '@ron/service';
import { Type } from 'typebox';

const strict = { additionalProperties: false } as const;
const read = [{ method: 'read' as const, resource: 'n/' }];
const nothing = { input: Type.Object({}, strict), output: Type.Object({}, strict), errors: [], scopes: read };
const token = 'ron1_of-a-service-that-misbehaves';
/** For how long `/block` keeps the loop. */
const blockMs = 2_000;

/** Handlers as nobody should write them, behind the pipeline and the binding that every service stands behind. */
const contract = defineContract({
  name: 'misbehaving',
  app: 0x8042,
  operations: {
    fine: {
      ...nothing,
      summary: 'works',
      output: Type.Object({ fine: Type.Boolean() }, strict),
      http: [{ method: 'GET', path: '/fine', reply: 'json' }],
    },
    throws: { ...nothing, summary: 'throws', http: [{ method: 'GET', path: '/throws', reply: 'json' }] },
    rejects: {
      ...nothing,
      summary: 'rejects with what is no error',
      http: [{ method: 'GET', path: '/rejects', reply: 'json' }],
    },
    undeclared: {
      ...nothing,
      summary: 'throws an error with a code that it has not declared',
      http: [{ method: 'GET', path: '/undeclared', reply: 'json' }],
    },
    hangs: {
      ...nothing,
      summary: 'never resolves and does not listen to its signal',
      limits: { timeoutMs: 300 },
      http: [{ method: 'GET', path: '/hangs', reply: 'json' }],
    },
    blocks: {
      ...nothing,
      summary: 'keeps the event loop for two seconds',
      http: [{ method: 'GET', path: '/blocks', reply: 'json' }],
    },
    wrong: {
      ...nothing,
      summary: 'answers what it did not declare',
      http: [{ method: 'GET', path: '/wrong', reply: 'json' }],
    },
    crashes: { ...nothing, summary: 'crashes its service', http: [{ method: 'GET', path: '/crashes', reply: 'json' }] },
    breaks: {
      ...nothing,
      summary: 'a body that breaks off in the middle',
      body: 'out',
      http: [{ method: 'GET', path: '/breaks', reply: 'stream' }],
    },
  },
});

const crash: { now(error: Error): void } = { now: () => undefined };

const service = defineService({
  contract,
  config: Type.Object({}, strict),
  uses: {},
  async start() {
    return {
      handlers: {
        fine: () => ({ fine: true }),
        throws: () => {
          throw new Error(`internals of a handler`);
        },
        rejects: () => Promise.reject('no error at all'),
        undeclared: () => {
          throw new RonError('range_not_satisfiable', `internals of a handler`);
        },
        hangs: () => new Promise<never>(() => undefined),
        blocks: () => {
          const until = performance.now() + blockMs;
          while (performance.now() < until);
          return {};
        },
        wrong: () => ({ surprise: true }) as never,
        crashes: () => {
          crash.now(new Error('crashed as it was told'));
          return {};
        },
        breaks: () => ({ output: {}, body: brokenBody() }),
      },
      async [Symbol.asyncDispose]() {
        crash.now = () => undefined;
      },
    };
  },
});

async function* brokenBody(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1_000);
  throw new Error('broke in the middle');
}

async function main(): Promise<void> {
  parseArgs({ args: process.argv.slice(2), options: {} });
  const stopped = waitForShutdown();
  const env = createRealEnv();
  const metrics = createMetrics();
  using _gauges = measureProcess(metrics);
  const bus = createBus<KernelEvent>();
  const log: Log = createLog({ level: 'info' });
  const health = createHealth(bus, metrics);
  let hosted: Awaited<ReturnType<typeof hostService>> | undefined;
  await using supervisor = createSupervisor({
    clock: env.clock,
    random: env.random,
    bus,
    health,
    metrics,
    onCrash: (name, err) => log.error({ service: name, err }, 'service crashed'),
  });
  await supervisor.supervise({
    name: contract.name,
    async start() {
      const config = { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
      const authenticator = {
        authenticate({ token: given }: { readonly token?: string | Uint8Array }) {
          if (given !== token) throw new RonError('unauthenticated', 'the capability is not valid here');
          return { subject: 'owner', capabilityId: 'owner', tenant: '', limits: {}, allows: () => true };
        },
      };
      const running = await hostService(
        service,
        { env, bus, metrics, log, authenticator },
        { config, peers: {}, engines: undefined },
      );
      hosted = running;
      const { promise: done, reject } = Promise.withResolvers<void>();
      crash.now = reject;
      return { done, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
    },
  });
  const rejected = metrics.counter('rejected_total', 'Requests refused before their handler', ['service', 'reason']);
  const onRefusal = (reason: string, corr_id: string) => {
    rejected.labels({ service: 'http', reason }).inc();
    log.info({ corr_id, reason }, 'request refused');
  };
  const ops = createOpsEndpoints({
    uptimeMs: () => env.clock.monotonicMs(),
    gates: () => health.gates,
    exposition: () => metrics.exposition(),
    version: () => ({ name: 'misbehaving' }),
    openApi: () => ({}),
  });
  // A restarted service has another dispatcher.
  const dispatcher = new Proxy(hosted!.dispatcher, {
    get(_first, key) {
      const now = hosted!.dispatcher;
      const value: unknown = Reflect.get(now, key);
      return typeof value === 'function' ? value.bind(now) : value;
    },
  });
  const handler = bindHttp({ env, dispatchers: [dispatcher], ops, corsOrigins: () => [], onRefusal, log });
  const listener = await env.net.serveHttp(
    { kind: 'tcp', host: '127.0.0.1', port: 0 },
    {
      headerBytesMax: 16 * 1_024,
      headerFieldsMax: 100,
      headerTimeMs: 5_000,
      keepAliveIdleMs: 5_000,
      connectionsMax: 1_024,
      connectionsPerAddressMax: 64,
      progressBytesPerSecondMin: 1_024,
      refusal: httpRefusal(env, onRefusal),
    },
    handler,
  );
  const { port } = listener.address as { port: number };
  process.stdout.write(`export RON_NODE_URL=http://127.0.0.1:${port} RON_CAP=${token}\n`);
  await stopped;
  await listener.close(1_000);
}

await main();
