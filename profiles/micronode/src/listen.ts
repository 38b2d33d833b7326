import type { Config, Env, KernelBus, Listener, Log, Metrics, NetAddress } from '@ron/kernel';
import { limits } from '@ron/oap';
import { gatewayContract } from '@ron/proto/gateway';
import { openApiOf } from '@ron/proto/openapi';
import {
  bindHttp,
  bindOapServer,
  createOpsEndpoints,
  type Dispatcher,
  type Gate,
  httpRefusal,
  uuidV7,
} from '@ron/service';
import type { MicronodeTables } from './config.ts';
import { publicMailbox } from './public-mailbox.ts';
import { version } from './version.ts';

export interface ListenParts {
  readonly env: Env;
  readonly config: Config<MicronodeTables>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly bus: KernelBus;
  readonly dispatchers: readonly Dispatcher[];
  gates(): readonly Gate[];
}

/** The public API: the gateway's routes and the operations endpoints. */
export async function listenHttp(parts: ListenParts): Promise<Listener> {
  const { env, config, log, metrics, dispatchers, gates } = parts;
  const startedMs = env.clock.monotonicMs();
  const ops = createOpsEndpoints({
    uptimeMs: () => env.clock.monotonicMs() - startedMs,
    gates,
    exposition: () => metrics.exposition(),
    version: () => ({ ...version, config_version: config.version }),
    openApi: () => openApiOf(gatewayContract),
  });
  const rejected = metrics.counter('rejected_total', 'Requests refused before their handler', ['service', 'reason']);
  const onRefusal = (reason: string, corr_id: string): void => {
    rejected.labels({ service: 'http', reason }).inc();
    log.info({ corr_id, reason }, 'request refused');
  };
  const handler = bindHttp({
    env,
    dispatchers: dispatchers.filter(isPublic),
    ops,
    corsOrigins: () => config.table('gateway').current().cors_origins,
    onRefusal,
    log,
  });
  return env.net.serveHttp(
    parseListenAddress(config.table('server').current().listen),
    {
      headerBytesMax: limits.httpHeaderBytesMax,
      headerFieldsMax: limits.httpHeaderFieldsMax,
      headerTimeMs: limits.httpHeaderTimeoutMs,
      keepAliveIdleMs: limits.httpKeepAliveMs,
      connectionsMax: limits.connectionsMax,
      connectionsPerAddressMax: limits.connectionsPerAddressMax,
      progressBytesPerSecondMin: limits.progressBytesPerSecondMin,
      refusal: httpRefusal(env, onRefusal),
    },
    handler,
  );
}

/**
 * The gateway and the mailboxes over OAP/1, for applications that keep a connection; with `oap_private_plane`, the
 * services behind the gateway too, which then answer for themselves.
 */
export function listenOap(parts: ListenParts, address: string): Promise<Listener> {
  const { env, log, metrics, config } = parts;
  const { oap_private_plane } = config.table('server').current();
  const gateways = parts.dispatchers.filter(isPublic);
  const dispatchers = oap_private_plane ? parts.dispatchers : [...gateways, ...gateways.map(publicMailbox)];
  const parsed = parseListenAddress(address);
  return bindOapServer({
    env,
    log,
    metrics,
    address: parsed,
    dispatchers,
    identity: { server_version: version.version, node_id: uuidV7(env), transports: [parsed.kind], revocation_seq: 0 },
  });
}

/** The Public Plane: what clients may ask. The other services answer the gateway, which has counted the quota. */
function isPublic({ contract }: Dispatcher): boolean {
  return contract.name === 'gateway';
}

/** `host:port`, `[v6]:port` or `unix:path`. */
export function parseListenAddress(text: string): NetAddress {
  if (text.startsWith('unix:')) return { kind: 'unix', path: text.slice(5) };
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  if (colon < 1 || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`"${text}" is not host:port or unix:path`);
  }
  return { kind: 'tcp', host, port };
}
