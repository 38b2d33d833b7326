import type { Duplex, Env, Listener, Log, Metrics, NetAddress } from '@ron/kernel';
import { type HelloIdentity, limits } from '@ron/oap';
import type { Principal } from '@ron/proto/contract';
import { uuidV7 } from './corr-id.ts';
import type { Dispatcher } from './dispatcher.ts';
import { rejections } from './golden-metrics.ts';
import type { TrustedProxies } from './http/client-address.ts';
import { addressOf, OapServerConnection } from './oap-connection.ts';

export interface OapBindingOptions {
  readonly env: Env;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly address: NetAddress;
  readonly dispatchers: readonly Dispatcher[];
  readonly identity: HelloIdentity;
  /** Bytes of a request's JSON, 1 MiB at most and by default. */
  readonly controlBytesMax?: () => number;
  /**
   * Peers that call for others: `remote` in the header of their requests is believed, and the cap on connections of one
   * address is not for them. Nobody by default.
   */
  readonly trustedProxies?: TrustedProxies;
  /** Where connections come from; by default whoever dials `address`. A transport that proves who dials says who asks. */
  readonly listen?: (accept: (duplex: Duplex, caller?: Principal) => void) => Promise<Listener>;
}

/** Contracts over OAP/1 on a Unix socket or loopback TCP: each service answers under its contract's app id. */
export async function bindOapServer(options: OapBindingOptions): Promise<Listener> {
  const { env, log, metrics, identity } = options;
  const byApp = new Map(options.dispatchers.map((dispatcher) => [dispatcher.contract.app, dispatcher]));
  const connections = new Set<OapServerConnection>();
  const byRemote = new Map<string, number>();
  const open = metrics.gauge('oap_connections', 'Open OAP connections').labels();
  const rejected = rejections(metrics, 'oap');
  const onRefusal = (reason: string, corr_id: string): void => {
    rejected(reason);
    log.info({ corr_id, reason }, 'request refused');
  };
  const { controlBytesMax = () => limits.controlBodyBytesMax } = options;
  const speaksForMany = options.trustedProxies ?? (() => false);
  const ports = { env, log, byApp, identity, onRefusal, controlBytesMax };
  const accept = (duplex: Duplex, caller?: Principal): void => {
    const remote = addressOf(duplex.remote);
    const count = byRemote.get(remote) ?? 0;
    // All of a Unix socket's callers share one name.
    const isTrusted = speaksForMany(remote);
    const perRemoteMax = remote === 'unix' || isTrusted ? limits.connectionsMax : limits.connectionsPerAddressMax;
    if (connections.size >= limits.connectionsMax || count >= perRemoteMax) {
      onRefusal('over_capacity', uuidV7(env));
      duplex.destroy();
      return;
    }
    const connection = new OapServerConnection({ ...ports, duplex, speaksForMany: isTrusted, caller }, () => {
      connections.delete(connection);
      const left = (byRemote.get(remote) ?? 1) - 1;
      if (left === 0) byRemote.delete(remote);
      else byRemote.set(remote, left);
      open.dec();
      if (connections.size === 0) onLast();
    });
    connections.add(connection);
    byRemote.set(remote, count + 1);
    open.inc();
    connection.start();
  };
  let onLast: () => void = () => undefined;
  const noneLeft = (graceMs: number): Promise<void> =>
    new Promise((resolve) => {
      if (connections.size === 0) return resolve();
      const timer = env.clock.after(graceMs, resolve);
      onLast = () => {
        timer.cancel();
        resolve();
      };
    });
  const { listen = (take) => env.net.listen(options.address, take) } = options;
  const listener = await listen(accept);
  const close = async (graceMs: number): Promise<void> => {
    for (const connection of connections) connection.drain();
    const closed = listener.close(graceMs);
    await noneLeft(graceMs);
    for (const connection of connections) connection.close();
    await closed;
  };
  return { address: listener.address, close, [Symbol.asyncDispose]: () => close(0) };
}
