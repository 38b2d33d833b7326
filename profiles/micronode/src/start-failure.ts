import { ConfigError } from '@ron/kernel';
import { KeystoreError, type KeystoreRefusal } from '@ron/kms';
import { IndexFileError } from '@ron/svc-index/service';

const exitOther = 1;
const exitUnavailable = 6;
const exitConfiguration = 9;

interface Failure {
  /** Three lines: what happened, why, what to do. */
  readonly text: string;
  readonly exitCode: number;
}

/** What differs in the advice: how it is started, its flag of the folder, the table of its public address. */
interface Profile {
  readonly command: string;
  readonly folder: string;
  readonly table: string;
}

const micronode: Profile = { command: 'npm start', folder: '--persist', table: 'server' };
const macronode: Profile = { command: 'npm run macronode', folder: '--folder', table: 'front' };

const keystoreAdvice: Readonly<Partial<Record<KeystoreRefusal, string>>> = {
  wrong_mode: 'chmod 600 keys/*',
  rolled_back: 'put the newest keys/ back: these are older than what this node has used',
};

/** What a person reads when a node does not start. */
export function startFailure(error: unknown, profile = 'micronode'): Failure {
  const { text, exitCode } = failureOf(error, profile === 'micronode' ? micronode : macronode);
  return { text: `${profile} cannot start: ${text}`, exitCode };
}

function failureOf(error: unknown, { command, folder, table }: Profile): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | undefined)?.code;
  if (code === 'EADDRINUSE' && message.includes('launcher.sock')) {
    const next = `npx ron ps, or another folder: ${command} -- ${folder} DIR`;
    return failure(message, 'a macronode runs on this folder', next, exitUnavailable);
  }
  if (code === 'EADDRINUSE') {
    return failure(
      message,
      'another process listens there, perhaps another node',
      `${command} -- --listen 127.0.0.1:0`,
      exitUnavailable,
    );
  }
  if (code === 'EBUSY' || (error instanceof KeystoreError && error.reason === 'locked')) {
    return failure(
      message,
      'another process holds the data folder',
      `stop it, or choose another ${folder} folder`,
      exitUnavailable,
    );
  }
  if (code === 'EACCES' && message.includes('loopback')) {
    return failure(
      message,
      'a node speaks plain HTTP: beyond loopback a proxy with TLS should stand in front of it',
      `a config file with [${table}] allow_remote = true and unsafe = true, by --config FILE`,
      exitConfiguration,
    );
  }
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
    const why = `flags of the node follow a \`--\` after \`${command}\`, which npm takes away`;
    return failure(message, why, `${command} -- ${folder} DIR`, exitConfiguration);
  }
  if (error instanceof ConfigError || error instanceof TypeError || error instanceof RangeError) {
    return failure(message, 'the configuration or a flag is not valid', `${command} -- --help`, exitConfiguration);
  }
  if (error instanceof KeystoreError) {
    const why = 'the keys of this folder cannot be opened; nothing was changed';
    return failure(message, why, keystoreAdvice[error.reason] ?? 'restore keys/ from a backup', exitConfiguration);
  }
  if (error instanceof IndexFileError) {
    const why = 'the index of names cannot be opened; nothing was changed';
    return failure(message, why, 'restore names/ from a backup', exitConfiguration);
  }
  return failure(
    message,
    error instanceof Error ? `an unexpected ${error.name}${placeOf(error)}` : 'an unexpected failure',
    `${command} -- --set server.log_level=debug`,
    exitOther,
  );
}

/** Where it was thrown, so that a report of the three lines is of use. */
function placeOf(error: Error): string {
  const frame = error.stack?.split('\n').find((line) => line.startsWith('    at '));
  return frame === undefined ? '' : ` ${frame.trim()}`;
}

function failure(what: string, why: string, next: string, exitCode: number): Failure {
  return { text: `${what}\n  why: ${why}\n  try: ${next}\n`, exitCode };
}
