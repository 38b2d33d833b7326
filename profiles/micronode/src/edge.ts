import {
  createMetrics,
  errorCode,
  type HttpClient,
  type HttpHandler,
  type HttpOrigin,
  type HttpServerLimits,
  type Listener,
  type Log,
  type Metrics,
  type NetAddress,
} from '@ron/kernel';
import {
  createHttpClient,
  createLog,
  createRealEnv,
  createRealNet,
  isPublicAddress,
  type LogLevel,
  measureProcess,
} from '@ron/kernel/real';
import { createOpsEndpoints, type Gate, httpRefusal, httpServerLimits, rejections } from '@ron/service';
import {
  createAdminHandler,
  createGatewaySource,
  createHttpCache,
  createVerifiedObjects,
  type DiskBodies,
  type HttpCache,
  type OperatorDefaults,
  openDiskBodies,
  type VerifiedObjects,
} from '@ron/svc-edge/service';
import { version } from './version.ts';

export interface EdgeOptions {
  readonly origin: HttpOrigin;
  /** Any host: whoever starts a cache says where it listens. */
  readonly address: NetAddress;
  /** For purge, warm-up and metrics: loopback or a Unix socket, else `EACCES`. Nowhere by default. */
  readonly admin?: NetAddress;
  /** Bytes for stored responses; a quarter more for verified objects. */
  readonly bytesMax: number;
  /** Where bodies go that memory has no room for. Nowhere by default. */
  readonly disk?: { readonly folder: string; readonly bytesMax: number };
  readonly connectionsMax: number;
  readonly originConnectionsMax: number;
  readonly keepHost: boolean;
  /** Pass on what clients say about where a request came from and what it means; it then selects what is stored. */
  readonly passForwarded?: boolean;
  readonly defaults?: Partial<OperatorDefaults>;
  /** A name of the origin may mean an address that is not public. `localhost` and literal addresses always may. */
  readonly privateOrigin?: boolean;
  /** `/o/b3:…` is answered from verified groups; true by default. */
  readonly verified?: boolean;
  /** `warn` by default; with `info` each request is a line. */
  readonly logLevel?: LogLevel;
}

/** The operator's side could not listen, for the reason that `code` says. */
export class AdminListenError extends Error {
  readonly code: string | undefined;

  constructor(cause: unknown) {
    super('the admin address cannot be listened at', { cause });
    this.code = errorCode(cause);
  }
}

export interface RunningEdge {
  /** As bound. */
  readonly address: NetAddress;
  readonly admin: NetAddress | undefined;
  /** Stops accepting and lets what is under way end until `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** svc-edge alone in a process: an HTTP cache in front of one origin. */
export async function startEdge(options: EdgeOptions): Promise<RunningEdge> {
  const { origin, address, admin, bytesMax, disk, connectionsMax, keepHost, defaults, logLevel = 'warn' } = options;
  const env = createRealEnv({ httpBeyondLoopback: true, ...(disk === undefined ? {} : { root: disk.folder }) });
  const { clock, random, net } = env;
  const log = createLog({ level: logLevel });
  const metrics = createMetrics();
  await using started = new AsyncDisposableStack();
  started.use(measureProcess(metrics));
  const tier = disk === undefined ? undefined : started.use(await openDisk(env, shareOf(disk.bytesMax), log));
  const client = createHttpClient({
    origin,
    connectionsMax: options.originConnectionsMax,
    ...(mayBePrivate(options) ? {} : { allowAddress: isPublicAddress }),
  });
  started.defer(() => client.close());
  const accessLog = logLevel === 'info' || logLevel === 'debug';
  const objects =
    options.verified === false ? undefined : started.use(await openObjects(env, client, metrics, options));
  const cache = createHttpCache({
    ...(objects === undefined ? {} : { objects: { env, objects } }),
    ...{ clock, random, client, bytesMax, keepHost, metrics, log, accessLog },
    passForwarded: options.passForwarded === true,
    ...(defaults === undefined ? {} : { defaults }),
    ...(tier === undefined ? {} : { tier }),
  });
  const listeners: Listener[] = [];
  const serve = async (from: typeof net, at: NetAddress, most: number, handler: HttpHandler): Promise<NetAddress> => {
    const listener = await from.serveHttp(at, limitsOf(most, env, metrics), handler);
    listeners.push(listener);
    started.use(listener);
    return listener.address;
  };
  let closing = false;
  const operations = { env, metrics, cache, objects, isClosing: () => closing };
  // By a port that refuses to listen beyond loopback.
  const own = createRealNet();
  const running = {
    admin:
      admin === undefined
        ? undefined
        : await serveAdmin(() => serve(own, admin, adminConnectionsMax, adminOf(operations))),
    address: await serve(net, address, connectionsMax, cache.handle),
  };
  const owned = started.move();
  return {
    ...running,
    async close(graceMs) {
      closing = true;
      await Promise.all(listeners.map((listener) => listener.close(graceMs)));
      await owned.disposeAsync();
    },
  };
}

const adminConnectionsMax = 64;

async function serveAdmin(serve: () => Promise<NetAddress>): Promise<NetAddress> {
  try {
    return await serve();
  } catch (cause) {
    throw new AdminListenError(cause);
  }
}

/** Nobody is surprised by an address that the operator wrote down; what a name means is up to whoever runs the DNS. */
function mayBePrivate({ origin, privateOrigin }: EdgeOptions): boolean {
  return privateOrigin === true || origin.host === 'localhost';
}

type RealEnv = ReturnType<typeof createRealEnv>;

function openDisk({ disk, work }: RealEnv, bytesMax: number, log: Log): Promise<DiskBodies> {
  return openDiskBodies({ disk, work, folder: 'bodies', bytesMax, log });
}

/** Objects and other bodies have half of the disk each. */
function shareOf(bytes: number): number {
  return Math.floor(bytes / 2);
}

function openObjects(
  env: RealEnv,
  client: HttpClient,
  metrics: Metrics,
  { bytesMax, disk }: EdgeOptions,
): Promise<VerifiedObjects> {
  return createVerifiedObjects({
    env,
    metrics,
    source: createGatewaySource({ client }),
    bytesMax: Math.max(objectBytesMin, Math.floor(bytesMax / 4)),
    ...(disk === undefined
      ? {}
      : { disk: { folder: 'objects', bytesMax: Math.max(objectBytesMin, shareOf(disk.bytesMax)) } }),
  });
}

/** Less holds no run of groups. */
const objectBytesMin = 4 * 1024 * 1024;

interface Operations {
  readonly env: RealEnv;
  readonly metrics: Metrics;
  readonly cache: HttpCache;
  readonly objects: VerifiedObjects | undefined;
  isClosing(): boolean;
}

function adminOf({ env, metrics, cache, objects, isClosing }: Operations): HttpHandler {
  const startedMs = env.clock.monotonicMs();
  const ops = createOpsEndpoints({
    uptimeMs: () => env.clock.monotonicMs() - startedMs,
    gates: () => [...gatesOf(cache, isClosing()), ...(objects?.gates() ?? [])],
    exposition: () => metrics.exposition(),
    version: () => ({ ...version, name: 'edge', config_version: 0 }),
    openApi: () => ({ openapi: '3.1.0', info: { title: 'ron edge', version: version.version }, paths: {} }),
  });
  return createAdminHandler({ cache, ops, env });
}

/** That the origin fails is no gate: what is stored is still worth serving, and every edge would leave at once. */
function gatesOf({ usage, isCrowded }: HttpCache, isClosing: boolean): Gate[] {
  return [
    { gate: 'draining', ok: !isClosing },
    { gate: 'waiters', ok: !isCrowded, value: usage.waiting },
  ];
}

/** In front of a cache there may be a proxy: a single address, whose connections rest between its clients. */
function limitsOf(connectionsMax: number, env: RealEnv, metrics: Metrics): HttpServerLimits {
  const rejected = rejections(metrics, 'http');
  return httpServerLimits({
    keepAliveIdleMs: 60_000,
    connectionsMax,
    connectionsPerAddressMax: connectionsMax,
    absoluteForm: true,
    refusal: httpRefusal(env, rejected),
  });
}
