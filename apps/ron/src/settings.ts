import { readFileSync } from 'node:fs';
import { CliError, configurationError } from './cli-error.ts';
import { readPassportFile } from './secrets/passport-file.ts';

export type Origin = 'flag' | 'environment' | 'default' | 'absent';

export interface Setting<T> {
  readonly value: T;
  readonly origin: Origin;
  /** What to change to change it: `--url`, `RON_NODE_URL`. */
  readonly source: string;
}

export interface Settings {
  readonly url: Setting<string>;
  readonly capability: Setting<string | undefined>;
  /** A file with a capability that renews itself: goes over `RON_CAP`, and under `--cap`. */
  readonly passport: Setting<string | undefined>;
  /** A file with the key that the capability is bound to. */
  readonly proofKey: Setting<string | undefined>;
}

export interface GlobalOptions {
  readonly json?: boolean;
  readonly url?: string;
  readonly cap?: string;
  readonly passport?: string;
  readonly proofKey?: string;
  readonly color?: boolean;
}

export const defaultUrl = 'http://127.0.0.1:9600';

/**
 * Flags over environment over defaults. A bad value throws a configuration error that names its source, when it is
 * read: commands that do not need it work all the same.
 */
export function lazySettings(options: GlobalOptions, environment: NodeJS.ProcessEnv): Settings {
  return {
    get url(): Setting<string> {
      const given = pick(options.url, '--url', environment['RON_NODE_URL'], 'RON_NODE_URL');
      if (given === undefined) return { value: defaultUrl, origin: 'default', source: 'default' };
      return { ...given, value: checkUrl(given.value, given.source) };
    },
    get passport(): Setting<string | undefined> {
      if (options.cap !== undefined && options.passport !== undefined) {
        throw configurationError('--cap and --passport exclude each other', 'ron --help');
      }
      const given = pick(options.passport, '--passport', environment['RON_PASSPORT'], 'RON_PASSPORT');
      const absent = given === undefined || (given.origin === 'environment' && options.cap !== undefined);
      return absent ? { value: undefined, origin: 'absent', source: 'RON_PASSPORT' } : given;
    },
    get proofKey(): Setting<string | undefined> {
      const given = pick(options.proofKey, '--proof-key', environment['RON_PROOF_KEY'], 'RON_PROOF_KEY');
      return given ?? { value: undefined, origin: 'absent', source: 'RON_PROOF_KEY' };
    },
    get capability(): Setting<string | undefined> {
      const passport = this.passport;
      if (passport.value !== undefined) return { ...passport, value: readPassportFile(passport.value).capability };
      const given = pick(options.cap, '--cap', environment['RON_CAP'], 'RON_CAP');
      if (given === undefined) return { value: undefined, origin: 'absent', source: 'RON_CAP' };
      return { ...given, value: readCapability(given.value, given.source) };
    },
  };
}

/** The URL, for messages; undefined when it is not a good one. */
export function urlForMessages(settings: Settings | undefined): string | undefined {
  try {
    return settings?.url.value;
  } catch (thrown) {
    if (thrown instanceof CliError) return undefined;
    throw thrown;
  }
}

function pick(flag: string | undefined, flagName: string, variable: string | undefined, variableName: string) {
  if (flag !== undefined) return { value: flag, origin: 'flag', source: flagName } as const;
  if (variable !== undefined && variable !== '') {
    return { value: variable, origin: 'environment', source: variableName } as const;
  }
  return undefined;
}

function checkUrl(text: string, source: string): string {
  const url = URL.parse(text);
  if (url === null) throw configurationError(`${source} is not a URL: write http://host:port`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw configurationError(`${source} begins with ${url.protocol}//, and a node speaks http:// or https://`);
  }
  if (url.username !== '' || url.password !== '') {
    throw configurationError(`${source} holds a user name or password: a node knows capabilities only`);
  }
  return text.replace(/\/+$/, '');
}

/** `@file` keeps a capability out of the list of processes. */
function readCapability(text: string, source: string): string {
  const token = text.startsWith('@') ? readToken(text.slice(1), source) : text.trim();
  if (!/^ron1b?_[A-Za-z0-9_-]{1,4091}$/.test(token)) {
    throw configurationError(`${source} is not a capability: it begins with ron1_ and has at most 4,096 characters`);
  }
  return token;
}

function readToken(path: string, source: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw configurationError(`the file that ${source} names cannot be read: ${path}`, `ls -l ${path}`, cause);
  }
}
