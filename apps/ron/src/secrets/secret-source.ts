import { text } from 'node:stream/consumers';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Session } from '../session.ts';
import { readSecretFile } from './secret-file.ts';

export interface SecretPlace {
  /** A file, or `-` for stdin; undefined when the option was not given. */
  readonly given: string | undefined;
  /** `--refresh-token`. */
  readonly option: string;
  /** `RON_REFRESH_TOKEN`. */
  readonly variable: string;
  /** `the refresh token`. */
  readonly what: string;
  /** What the secret itself looks like, so that one on the command line is refused instead of taken for a file. */
  readonly looks: RegExp;
}

const secretCharactersMax = 4_096;

/**
 * A secret from a file, stdin or the environment. Never from the command line, where everybody on the machine can read
 * it in the list of processes, and the shell keeps it in its history.
 */
export async function readSecret(session: Session, place: SecretPlace): Promise<string> {
  const { given, option, variable, what } = place;
  if (given !== undefined && place.looks.test(given)) {
    throw usageError(
      `${option} takes a file or -, because a command line can be read by others: this one counts as known`,
      `${session.command} ${option} FILE   (or: export ${variable}=…)`,
    );
  }
  const from = given ?? variable;
  const found = given === undefined ? session.environment[variable] : await read(session, given);
  if (found === undefined || found.trim() === '') {
    throw new CliError(exitCodes.usage, `${what} is missing`, {
      why: given === undefined ? `usage: neither ${option} nor ${variable} is given` : `usage: ${from} is empty`,
      next: `${session.command} ${option} FILE   (- is stdin)`,
    });
  }
  const secret = found.trim();
  if (secret.length > secretCharactersMax)
    throw usageError(`${from} is longer than any secret`, `${session.command} --help`);
  return secret;
}

async function read(session: Session, given: string): Promise<string> {
  return given === '-' ? text(session.input) : readSecretFile(given);
}
