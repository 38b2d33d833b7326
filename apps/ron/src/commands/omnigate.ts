import { resolve } from 'node:path';
import { ConfigError, errorCode, formatProblem, type NetAddress } from '@ron/kernel';
import { type OmnigateOptions, type RunningOmnigate, startOmnigate } from '@ron/macronode/omnigate';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Session } from '../session.ts';

export interface OmnigateFlags {
  readonly backend?: readonly string[];
  readonly listen?: string;
  readonly oap?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly config?: string;
  readonly set?: readonly string[];
}

const help = 'ron omnigate --help';

/** The front of a cluster, until it is interrupted; what runs then gets its time to end. */
export async function runOmnigate(session: Session, _args: string[], flags: OmnigateFlags): Promise<number> {
  const { output, signal, environment } = session;
  if ((flags.backend ?? []).length === 0 && flags.config === undefined)
    throw usageError('--backend, at least one, or --config with front.backends', help);
  const front = await start({
    ...(flags.config === undefined ? {} : { configFile: resolve(flags.config) }),
    environment,
    flags: overridesOf(flags),
  });
  const url = `${front.secure ? 'https' : 'http'}://${textOf(front.http)}`;
  const oap = front.oap === undefined ? undefined : textOf(front.oap);
  output.result({ url, oap }, () => (oap === undefined ? url : `${url}\noap ${oap}`));
  if (!signal.aborted) await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
  await front.close();
  return exitCodes.ok;
}

function overridesOf(flags: OmnigateFlags): Readonly<Record<string, string>> {
  const given: Readonly<Record<string, string | undefined>> = {
    'front.backends': flags.backend?.join(','),
    'front.listen': flags.listen,
    'front.oap_listen': flags.oap,
    'front.tls_cert': flags.tlsCert,
    'front.tls_key': flags.tlsKey,
  };
  const overrides: Record<string, string> = {};
  for (const [field, text] of Object.entries(given)) if (text !== undefined) overrides[field] = text;
  for (const setting of flags.set ?? []) {
    const equals = setting.indexOf('=');
    if (equals < 1) throw usageError(`--set ${setting}: write TABLE.FIELD=VALUE`, help);
    overrides[setting.slice(0, equals)] = setting.slice(equals + 1);
  }
  return overrides;
}

async function start(options: OmnigateOptions): Promise<RunningOmnigate> {
  try {
    return await startOmnigate(options);
  } catch (cause) {
    if (cause instanceof ConfigError) throw refused(cause.problems.map(formatProblem).join('; '), cause);
    if (cause instanceof RangeError) throw refused(cause.message, cause);
    const code = errorCode(cause);
    if (code === undefined) throw cause;
    throw refused(cause instanceof Error ? cause.message : code, cause, whys[code]);
  }
}

const whys: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there',
  EACCES: 'plain HTTP is for loopback: give a certificate, or front.allow_remote behind a host with one',
  ENOENT: 'a file is not there',
};

function refused(message: string, cause: unknown, why = 'the configuration or a flag is not valid'): CliError {
  return new CliError(exitCodes.configuration, `cannot start: ${message}`, { why, next: help, cause });
}

function textOf(address: NetAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}
