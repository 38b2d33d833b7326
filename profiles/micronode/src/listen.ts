import {
  type Config,
  type Env,
  type KernelBus,
  type Listener,
  type Log,
  type Metrics,
  parseNetAddress,
} from '@ron/kernel';
import { openApiOf } from '@ron/proto/openapi';
import { publicContracts } from '@ron/proto/public';
import {
  bindOapServer,
  type Dispatcher,
  type Gate,
  listenHttp as listenForClients,
  parseTrustedProxies,
} from '@ron/service';
import type { MicronodeTables } from './config.ts';
import { publicEdge } from './public-edge.ts';
import { publicMailbox } from './public-mailbox.ts';
import { version } from './version.ts';

export interface ListenParts {
  readonly env: Env;
  readonly config: Config<MicronodeTables>;
  readonly log: Log;
  /** Where the lines of the access log go; `log` by default. */
  readonly accessLog?: Log;
  readonly metrics: Metrics;
  readonly bus: KernelBus;
  readonly dispatchers: readonly Dispatcher[];
  gates(): readonly Gate[];
  /** Bytes of a request's JSON under the policy in force. */
  controlBytesMax(): number;
  readonly identity: { readonly nodeId: string; revocationSeq(): number };
}

/** The public API: the gateway's routes and the operations endpoints. */
export function listenHttp(parts: ListenParts): Promise<Listener> {
  const { config, dispatchers } = parts;
  const settings = () => config.table('server').current();
  return listenForClients({
    ...parts,
    settings,
    address: parseNetAddress(settings().listen),
    dispatchers: dispatchers.filter(isPublic),
    version: () => ({ ...version, config_version: config.version }),
    openApi: () => openApiOf(publicContracts),
    corsOrigins: () => config.table('gateway').current().cors_origins,
  });
}

/**
 * The gateway and the mailboxes over OAP/1, for applications that keep a connection; with `oap_private_plane`, the
 * services behind the gateway too, which then answer for themselves.
 */
export function listenOap(parts: ListenParts, address: string): Promise<Listener> {
  const { env, log, metrics, config, identity } = parts;
  const { oap_private_plane, trusted_proxies } = config.table('server').current();
  const gateways = parts.dispatchers
    .filter(isPublic)
    .map((dispatcher) => (dispatcher.contract.name === 'edge' ? publicEdge(dispatcher) : dispatcher));
  const dispatchers = oap_private_plane
    ? parts.dispatchers
    : [...gateways, ...gateways.filter(({ contract }) => contract.name === 'gateway').map(publicMailbox)];
  const parsed = parseNetAddress(address);
  return bindOapServer({
    env,
    log,
    metrics,
    address: parsed,
    dispatchers,
    controlBytesMax: parts.controlBytesMax,
    trustedProxies: parseTrustedProxies(trusted_proxies),
    identity: {
      server_version: version.version,
      node_id: identity.nodeId,
      transports: [parsed.kind],
      // As it is when a peer says hello.
      get revocation_seq() {
        return identity.revocationSeq();
      },
    },
  });
}

/** What clients may ask. The other services answer the gateway, which has counted the quota. */
function isPublic({ contract }: Dispatcher): boolean {
  return publicContracts.some(({ name }) => name === contract.name);
}
