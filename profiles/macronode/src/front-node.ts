import {
  createBus,
  createMetrics,
  type Env,
  type HttpListener,
  type KernelEvent,
  type Listener,
  type Log,
  type Metrics,
  type NetAddress,
  parseNetAddress,
  sleep,
  type TlsIdentity,
} from '@ron/kernel';
import { createFront, type Front, omnigate } from '@ron/omnigate/service';
import type { Contract } from '@ron/proto/contract';
import { mailboxContract } from '@ron/proto/mailbox';
import { omnigateContract } from '@ron/proto/omnigate';
import { openApiOf } from '@ron/proto/openapi';
import { publicContracts } from '@ron/proto/public';
import {
  bindOapServer,
  type Dispatcher,
  type Gate,
  hostService,
  listenHttp as listenForClients,
  parseTrustedProxies,
  uuidV7,
} from '@ron/service';
import { parseBackend } from './address.ts';
import type { FrontConfig } from './omnigate-config.ts';
import { version } from './version.ts';

export interface FrontNodeOptions {
  readonly env: Env;
  readonly config: FrontConfig;
  readonly log: Log;
  /** Where the lines of the access log go; `log` by default. */
  readonly accessLog?: Log;
  readonly metrics?: Metrics;
  /** In place of `front.backends`. */
  readonly backends?: readonly string[];
  /** HTTP is then TLS, with HTTP/2 and HTTP/1.1 on one port. */
  readonly tls?: TlsIdentity;
  /** Further conditions of readiness: what else of the cluster must be there. */
  readonly moreGates?: () => readonly Gate[];
}

/**
 * A running front. Dispose drains it: red for `front.drain_notice_ms`, then refusing, and its calls get `front.drain_ms`.
 */
export interface FrontNode extends AsyncDisposable {
  readonly http: NetAddress;
  readonly oap: NetAddress | undefined;
  readonly front: Front;
  readonly metrics: Metrics;
  gates(): readonly Gate[];
  /** For connections from now on. Throws `EINVAL`, and changes nothing, for what is no pair, or without TLS. */
  renewIdentity(identity: TlsIdentity): void;
}

/** What of the backends is passed on over HTTP; over OAP the mailboxes by their own contract too, as on a node. */
const passedOn: readonly Contract[] = publicContracts;

/** omnigate with its listeners, in any `Env`. Throws `RangeError` for backends that make no sense. */
export async function startFrontNode({ env, config, log, tls, ...options }: FrontNodeOptions): Promise<FrontNode> {
  const metrics = options.metrics ?? createMetrics();
  const settings = config.table('front').current();
  await using stack = new AsyncDisposableStack();
  const front = stack.use(
    createFront({
      env,
      config: config.table('omnigate'),
      log,
      metrics,
      backends: (options.backends ?? settings.backends ?? []).map(parseBackend),
    }),
  );
  const hosted = stack.use(
    await hostService(
      omnigate,
      {
        env,
        bus: createBus<KernelEvent>(),
        metrics,
        log,
        authenticator: front.authenticator,
        drainMs: settings.drain_ms,
      },
      { config: config.table('omnigate'), peers: {}, engines: { front } },
    ),
  );
  const dispatchers = passedOn.map((contract) => front.dispatcher(contract));
  const mailbox = front.dispatcher(mailboxContract);
  let stopping = false;
  const gates = (): readonly Gate[] => [
    stopping ? { gate: 'node', ok: false, reason: 'the node is stopping' } : { gate: 'node', ok: true },
    ...hosted.gates(),
    ...(options.moreGates?.() ?? []),
  ];
  const listeners: Listener[] = [];
  stack.defer(async () => {
    stopping = true;
    if (settings.drain_notice_ms > 0) await sleep(env.clock, settings.drain_notice_ms);
    for (const dispatcher of [...dispatchers, mailbox]) void dispatcher.drain();
    await Promise.all(listeners.map((listener) => listener.close(settings.drain_ms)));
  });
  const parts: ListenParts = { env, config, log, accessLog: options.accessLog, metrics, gates, tls };
  const http = await listenHttp(parts, [...dispatchers, hosted.dispatcher]);
  listeners.push(http);
  const oap =
    settings.oap_listen === ''
      ? undefined
      : await listenOap(parts, settings.oap_listen, [...dispatchers, mailbox, hosted.dispatcher]);
  if (oap !== undefined) listeners.push(oap);
  const running = stack.move();
  return {
    http: http.address,
    oap: oap?.address,
    front,
    metrics,
    gates,
    renewIdentity: (identity) => http.renewIdentity(identity),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface ListenParts {
  readonly env: Env;
  readonly config: FrontConfig;
  readonly log: Log;
  readonly accessLog: Log | undefined;
  readonly metrics: Metrics;
  readonly tls: TlsIdentity | undefined;
  gates(): readonly Gate[];
}

function listenHttp(parts: ListenParts, dispatchers: readonly Dispatcher[]): Promise<HttpListener> {
  const { config } = parts;
  const settings = () => config.table('front').current();
  return listenForClients({
    ...parts,
    settings,
    address: parseNetAddress(settings().listen),
    dispatchers,
    version: () => ({ ...version, config_version: config.version }),
    openApi: () => openApiOf([...passedOn, omnigateContract]),
    corsOrigins: () => settings().cors_origins,
  });
}

function listenOap(
  { env, config, log, metrics }: ListenParts,
  listen: string,
  dispatchers: readonly Dispatcher[],
): Promise<Listener> {
  const address = parseNetAddress(listen);
  const identity = {
    server_version: version.version,
    // A front holds no keys, so it has no identity that lasts: this one is of the process.
    node_id: uuidV7(env),
    transports: [address.kind],
    revocation_seq: 0,
  };
  const trustedProxies = parseTrustedProxies(config.table('front').current().trusted_proxies);
  return bindOapServer({ env, log, metrics, address, dispatchers, identity, trustedProxies });
}
