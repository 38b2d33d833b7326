import type { Env, HttpListener, Log, Metrics, NetAddress, TlsIdentity } from '@ron/kernel';
import { bindHttp, httpRefusal } from './bind-http.ts';
import type { Gate } from './define.ts';
import type { Dispatcher } from './dispatcher.ts';
import { rejections } from './golden-metrics.ts';
import { type AccessLogMode, createAccessLog } from './http/access-log.ts';
import { clientAddressOf, type ForwardedField, parseTrustedProxies } from './http/client-address.ts';
import { httpServerLimits } from './http/server-limits.ts';
import { createOpsEndpoints, isProbe } from './ops.ts';

/** As `serverFields` of a table says; read once, but for `metrics_per_second`. */
interface Settings {
  readonly trusted_proxies: readonly string[];
  readonly forwarded_field: ForwardedField;
  readonly access_log: AccessLogMode;
  readonly metrics_per_second: number;
  readonly log_level: string;
}

export interface HttpListenerOptions {
  readonly env: Env;
  readonly log: Log;
  /** Where the lines of the access log go; `log` by default. */
  readonly accessLog?: Log | undefined;
  readonly metrics: Metrics;
  readonly address: NetAddress;
  readonly settings: () => Settings;
  readonly dispatchers: readonly Dispatcher[];
  gates(): readonly Gate[];
  version(): object;
  /** Asked once, with the first request for it. */
  openApi(): object;
  /** Origins whose pages may call; none by default. */
  readonly corsOrigins?: () => readonly string[];
  /** Bytes of a request's JSON. */
  readonly controlBytesMax?: () => number;
  /** HTTP is then TLS, with HTTP/2 and HTTP/1.1 on one port. */
  readonly tls?: TlsIdentity | undefined;
}

/**
 * Contracts and the operations endpoints on a port for clients. Throws `RangeError` for trusted proxies that are no
 * addresses, and the system's error when it cannot listen.
 */
export async function listenHttp(options: HttpListenerOptions): Promise<HttpListener> {
  const { env, log, metrics, tls, corsOrigins, controlBytesMax } = options;
  const settings = options.settings();
  const startedMs = env.clock.monotonicMs();
  const ops = createOpsEndpoints({
    uptimeMs: () => env.clock.monotonicMs() - startedMs,
    gates: () => options.gates(),
    exposition: () => metrics.exposition(),
    metricsPerSecond: () => options.settings().metrics_per_second,
    version: () => options.version(),
    openApi: () => options.openApi(),
  });
  const rejected = rejections(metrics, 'http');
  const onRefusal = (reason: string, corr_id: string): void => {
    rejected(reason);
    log.info({ corr_id, reason }, 'request refused');
  };
  const trusted = parseTrustedProxies(settings.trusted_proxies);
  const accessLog = createAccessLog({
    log: options.accessLog ?? log,
    clock: env.clock,
    mode: () => settings.access_log,
    showPaths: settings.log_level === 'debug',
  });
  const handler = bindHttp({
    env,
    dispatchers: options.dispatchers,
    ops,
    onRefusal,
    log,
    accessLog,
    clientAddress: ({ remote, headers }) => clientAddressOf(remote, headers, trusted, settings.forwarded_field),
    ...(corsOrigins === undefined ? {} : { corsOrigins }),
    ...(controlBytesMax === undefined ? {} : { controlBytesMax }),
  });
  const limits = httpServerLimits({
    speaksForMany: trusted,
    isProbe,
    refusal: httpRefusal(env, onRefusal),
    ...(tls === undefined ? {} : { tls }),
  });
  const listener = await env.net.serveHttp(options.address, limits, handler);
  const close = async (graceMs: number): Promise<void> => {
    await listener.close(graceMs);
    accessLog.flush();
  };
  return {
    address: listener.address,
    renewIdentity: (identity) => listener.renewIdentity(identity),
    close,
    [Symbol.asyncDispose]: () => close(0),
  };
}
