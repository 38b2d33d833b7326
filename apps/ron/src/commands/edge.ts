import { resolve } from 'node:path';
import { errorCode, type HttpOrigin, type NetAddress } from '@ron/kernel';
import { AdminListenError, type EdgeOptions, type RunningEdge, startEdge } from '@ron/micronode/edge';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Session } from '../session.ts';
import { parseByteCount } from '../values/byte-count.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

export interface EdgeFlags {
  readonly origin: string;
  readonly listen: string;
  readonly memory: string;
  readonly connections: string;
  readonly originConnections: string;
  readonly disk?: string;
  readonly diskBytes: string;
  readonly admin?: string;
  readonly staleIfError: string;
  readonly staleWhileRevalidate: string;
  readonly defaultTtl: string;
  readonly negativeTtl: string;
  readonly keepHost?: true;
  readonly passForwarded?: true;
  readonly privateOrigin?: true;
  /** False with `--no-verified`. */
  readonly verified: boolean;
  readonly logLevel: 'error' | 'warn' | 'info' | 'silent';
}

const help = 'ron edge --help';
/** How long running exchanges may take to end after the first interrupt. */
const graceMs = 5000;

/** An HTTP cache in front of one origin, until it is interrupted. */
export async function runEdge({ output, signal }: Session, _args: string[], flags: EdgeFlags): Promise<number> {
  const options: EdgeOptions = {
    origin: parseOrigin(flags.origin),
    address: parseListen(flags.listen),
    bytesMax: parseByteCount(flags.memory),
    connectionsMax: parseWholeNumber(flags.connections, 'connections', 1, 1_000_000),
    originConnectionsMax: parseWholeNumber(flags.originConnections, 'origin-connections', 1, 65_536),
    keepHost: flags.keepHost === true,
    passForwarded: flags.passForwarded === true,
    privateOrigin: flags.privateOrigin === true,
    verified: flags.verified,
    logLevel: flags.logLevel,
    defaults: {
      ttlSeconds: parseSeconds(flags.defaultTtl, 'default-ttl'),
      negativeTtlSeconds: parseSeconds(flags.negativeTtl, 'negative-ttl'),
      staleWhileRevalidateSeconds: parseSeconds(flags.staleWhileRevalidate, 'stale-while-revalidate'),
      staleIfErrorSeconds: parseSeconds(flags.staleIfError, 'stale-if-error'),
    },
    ...(flags.admin === undefined ? {} : { admin: parseAdmin(flags.admin) }),
    ...(flags.disk === undefined
      ? {}
      : { disk: { folder: resolve(flags.disk), bytesMax: parseByteCount(flags.diskBytes) } }),
  };
  const edge = await start(options, flags);
  const url = urlOf(edge.address);
  const admin = edge.admin === undefined ? undefined : urlOf(edge.admin);
  output.result({ url, origin: flags.origin, admin }, () => (admin === undefined ? url : `${url}\nadmin ${admin}`));
  await untilAborted(signal);
  await edge.close(graceMs);
  return exitCodes.ok;
}

const failures: Readonly<Record<string, readonly [string, string]>> = {
  EADDRINUSE: ['cannot listen', 'something else listens there'],
  EACCES: ['cannot listen', 'it is not allowed'],
  EBUSY: ['cannot use the folder of --disk', 'another process has it'],
};

const adminFailures: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there',
  EACCES: 'it is not allowed: --admin is for loopback and sockets in a folder of your own only',
  ENOENT: 'the folder of the socket is not there',
};

async function start(options: EdgeOptions, { admin }: EdgeFlags): Promise<RunningEdge> {
  try {
    return await startEdge(options);
  } catch (cause) {
    if (cause instanceof AdminListenError) {
      const code = cause.code ?? 'failed';
      const why = adminFailures[code] ?? `the system says ${code}`;
      const next = 'ron edge --admin 127.0.0.1:9090 …';
      throw new CliError(exitCodes.configuration, `cannot listen at --admin ${admin}`, { why, next, cause });
    }
    const code = errorCode(cause) ?? 'failed';
    const [what, why] = failures[code] ?? ['cannot listen', `the system says ${code}`];
    throw new CliError(exitCodes.configuration, what, { why, next: 'ron edge --listen 127.0.0.1:0 …', cause });
  }
}

function parseOrigin(text: string): HttpOrigin {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw usageError(`--origin ${text} is no http or https URL`, help);
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw usageError('--origin is a scheme, a host and a port only: every path is passed on as it is', help);
  }
  const secure = url.protocol === 'https:';
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  return { secure, host, port: url.port === '' ? (secure ? 443 : 80) : Number(url.port) };
}

function parseSeconds(text: string, what: string): number {
  return parseWholeNumber(text, what, 0, 10 * 365 * 86_400);
}

function parseAdmin(text: string): NetAddress {
  return text.startsWith('/') ? { kind: 'unix', path: text } : parseListen(text, 'admin');
}

function urlOf(address: NetAddress): string {
  return address.kind === 'tcp' ? `http://${formatHost(address)}` : address.path;
}

function parseListen(text: string, flag = 'listen'): NetAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(/^\d+$/.test(text) ? `127.0.0.1:${text}` : text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw usageError(`--${flag} ${text} is not HOST:PORT`, help);
  return { kind: 'tcp', host: match[1] ?? (match[2] === '' ? '0.0.0.0' : (match[2] as string)), port };
}

function formatHost({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
