import { type ExitCode, exitCodes } from './exit-codes.ts';

export interface CliErrorFields {
  /** Second line: the reason, in a few words. */
  readonly why: string;
  /** Third line: the next command to type. */
  readonly next: string;
  readonly cause?: unknown;
}

/** A failure on this side of the connection, complete with what to do about it. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;
  readonly why: string;
  readonly next: string;

  constructor(exitCode: ExitCode, message: string, fields: CliErrorFields) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.exitCode = exitCode;
    this.why = fields.why;
    this.next = fields.next;
  }
}

/** A command line that says something impossible; `next` is usually its help. */
export function usageError(message: string, next = 'ron --help'): CliError {
  return new CliError(exitCodes.usage, message, { why: 'usage', next });
}

export function configurationError(message: string, next = 'ron config show --origin', cause?: unknown): CliError {
  return new CliError(exitCodes.configuration, message, { why: 'configuration', next, cause });
}
