import { readFile } from 'node:fs/promises';
import { createConfig, createMetrics, type NetAddress, reloadConfig } from '@ron/kernel';
import { createLog, createRealEnv, measureProcess, watchConfigFile } from '@ron/kernel/real';
import { certificateFiles, renewFrom, watchCertificate } from './certificate.ts';
import { type FrontNode, startFrontNode } from './front-node.ts';
import { omnigateTables } from './omnigate-config.ts';
import { readIdentity } from './read-identity.ts';

export { type FrontNode, type FrontNodeOptions, startFrontNode } from './front-node.ts';
export { FrontServerConfig, type OmnigateTables, omnigateTables } from './omnigate-config.ts';

export interface OmnigateOptions {
  /** TOML with the tables `front` and `omnigate`. Watched: what can change while it runs does so at once. */
  readonly configFile?: string;
  /** Only `RON_FRONT_…` and `RON_OMNIGATE_…` are looked at. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** `table.field` to text; over the file and the environment. */
  readonly flags?: Readonly<Record<string, string>>;
}

export interface RunningOmnigate {
  /** As bound. */
  readonly http: NetAddress;
  readonly oap: NetAddress | undefined;
  /** HTTP is over TLS. */
  readonly secure: boolean;
  readonly node: FrontNode;
  /** What SIGHUP does: the configuration file and the certificate are read again; what is no good changes nothing. */
  reload(): Promise<void>;
  /** Red at once, refusing after `front.drain_notice_ms`; what runs gets `front.drain_ms`. */
  close(): Promise<void>;
}

/**
 * The front of a cluster as a process of its own: HTTP to the world, OAP to its backends. Listens to SIGHUP until it is
 * closed. Rejects with `ConfigError`,
 * `RangeError`, or the system's error when it cannot listen or read a file.
 */
export async function startOmnigate({ configFile, environment, flags }: OmnigateOptions): Promise<RunningOmnigate> {
  const file = configFile === undefined ? undefined : { name: configFile, text: await readFile(configFile, 'utf8') };
  const config = createConfig(omnigateTables, { file, environment, flags });
  const settings = config.table('front').current();
  const files = certificateFiles(settings.tls_cert, settings.tls_key);
  const tls = files === undefined ? undefined : await readIdentity(files);
  const env = createRealEnv({ httpBeyondLoopback: settings.allow_remote || tls !== undefined });
  const log = createLog({ level: settings.log_level });
  // What `access_log` asks for is written whatever the level of the other lines.
  const accessLog = createLog({ level: settings.log_level === 'silent' ? 'silent' : 'info' });
  const metrics = createMetrics();
  await using stack = new AsyncDisposableStack();
  stack.use(measureProcess(metrics));
  const node = stack.use(
    await startFrontNode({ env, config, log, accessLog, metrics, ...(tls === undefined ? {} : { tls }) }),
  );
  const onText = (text: string): void => void reloadConfig(config, text, log);
  const onFault = (err: unknown): void => log.error({ err }, 'the configuration file cannot be read');
  if (configFile !== undefined) stack.use(watchConfigFile(configFile, env.clock, onText, onFault));
  const renewal = files && { files, log, read: readIdentity, renew: node.renewIdentity };
  if (renewal !== undefined) stack.use(watchCertificate(renewal, env.clock));
  const reload = async (): Promise<void> => {
    if (configFile !== undefined) await readFile(configFile, 'utf8').then(onText, onFault);
    if (renewal !== undefined) await renewFrom(renewal);
  };
  const onHangup = (): void => void reload();
  process.on('SIGHUP', onHangup);
  stack.defer(() => void process.off('SIGHUP', onHangup));
  const running = stack.move();
  return {
    http: node.http,
    oap: node.oap,
    secure: tls !== undefined,
    node,
    reload,
    close: () => running.disposeAsync(),
  };
}
