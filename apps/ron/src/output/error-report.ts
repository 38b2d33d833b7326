import { type ErrorCode, isErrorCode } from '@ron/proto/errors';
import { CliError } from '../cli-error.ts';
import { type ExitCode, exitCodeOf, exitCodes } from '../exit-codes.ts';
import { formatDuration } from './format.ts';
import { printable } from './printable.ts';
import { trustStep } from './trust-step.ts';

/** An error as people and scripts get it. */
export interface ErrorReport {
  readonly message: string;
  readonly why: string;
  readonly next: string;
  readonly exitCode: ExitCode;
  readonly code?: string;
  readonly corrId?: string;
  readonly retryAfterMs?: number;
}

/** Where the command was, for a next step that fits. */
export interface ErrorPlace {
  /** `ron put`. */
  readonly command: string;
  readonly url: string | undefined;
}

export function reportOf(thrown: unknown, place: ErrorPlace): ErrorReport {
  if (thrown instanceof CliError) {
    return { message: thrown.message, why: thrown.why, next: thrown.next, exitCode: thrown.exitCode };
  }
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (isErrorCode(code)) return nodeReport(thrown as Error, code, place);
  if (typeof code === 'string' && Object.hasOwn(systemErrors, code)) return systemReport(thrown as Error, code, place);
  return {
    message: thrown instanceof Error ? thrown.message : String(thrown),
    why: 'a defect of this command, not of your input',
    next: 'ron doctor',
    exitCode: exitCodes.other,
  };
}

function nodeReport(error: Error, code: ErrorCode, place: ErrorPlace): ErrorReport {
  const fields = error as NodeErrorFields;
  const corrId = fields.corrId === undefined || fields.corrId === '' ? undefined : fields.corrId;
  const system = systemCode(error.cause);
  const rule = ruleOf(fields);
  const { attempts = 1 } = fields;
  const noted = [
    code + (system === undefined ? '' : `, ${system}`),
    ...(rule === undefined ? [] : [`by the policy of the node, rule "${rule}"`]),
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(fields.retryAfterMs === undefined ? [] : [`again in ${formatDuration(fields.retryAfterMs)}`]),
    ...(corrId === undefined ? [] : [`corr_id ${corrId}`]),
  ];
  const where = system !== undefined && place.url !== undefined ? ` at ${place.url}` : '';
  return {
    message: error.message + where,
    why: noted.join(', '),
    next: nextOf(code, place, fields),
    exitCode: exitCodeOf(code),
    code,
    ...(corrId === undefined ? {} : { corrId }),
    ...(fields.retryAfterMs === undefined ? {} : { retryAfterMs: fields.retryAfterMs }),
  };
}

/** Of errors that came from a node or over the SDK. */
interface NodeErrorFields {
  readonly corrId?: string;
  readonly retryAfterMs?: number;
  readonly attempts?: number;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The rule of the policy that said no, where it was one. */
function ruleOf({ details }: NodeErrorFields): string | undefined {
  return typeof details?.['rule'] === 'string' && details['policy'] !== undefined ? details['rule'] : undefined;
}

/** What the refusal itself says goes before what fits its code. */
function nextOf(code: ErrorCode, place: ErrorPlace, { details, retryAfterMs, ...fields }: NodeErrorFields): string {
  if (code === 'forbidden' && details?.['policy'] !== undefined) {
    const rule = ruleOf({ details });
    return rule === undefined ? 'ron policy show' : `ron policy show   (look for the rule "${rule}")`;
  }
  if (retryAfterMs !== undefined && (code === 'quota_exhausted' || code === 'unavailable')) {
    return `${place.command} …   (again in ${formatDuration(retryAfterMs)})`;
  }
  if (code === 'unavailable' && details?.['gate'] !== undefined && fields.corrId !== undefined) return 'ron status';
  return nextStep(code, place);
}

function nextStep(code: ErrorCode, { command }: ErrorPlace): string {
  const step = command.startsWith('ron mailbox') ? mailboxStep(code, command) : trustStep(code, command);
  if (step !== undefined) return step;
  switch (code) {
    case 'not_found':
      if (command === 'ron peers' || command === 'ron ping') return 'ron peers';
      if (command === 'ron restart') return 'ron ps';
      return command === 'ron stat' || command === 'ron why' ? 'ron has ADDRESS' : 'ron name ls';
    case 'unauthenticated':
      return 'export RON_CAP=…   (the node prints the line when it starts)';
    case 'forbidden':
      return 'ron cap show';
    case 'conflict':
      return 'ron name ls   (look at the present version, then decide again)';
    case 'insufficient_storage':
      return 'ron gc --dry-run';
    case 'quota_exhausted':
      return 'ron status';
    case 'payload_too_large':
      return 'ron cap show   (its limits; the node has its own in gateway.object_bytes_max)';
    case 'integrity':
      return 'ron scrub start   (or read from another node)';
    case 'bad_digest':
      return `${command} …   (again, once nothing writes to the file)`;
    case 'bad_request':
    case 'range_not_satisfiable':
      return `${command} --help`;
    default:
      return 'ron doctor';
  }
}

function mailboxStep(code: ErrorCode, command: string): string | undefined {
  switch (code) {
    case 'not_found':
      return 'ron mailbox ls';
    case 'conflict':
      return command === 'ron mailbox send'
        ? 'ron mailbox send … --key OTHER   (a key stands for one message)'
        : 'ron mailbox recv BOX   (a lease that has ended never comes back; its message does)';
    case 'quota_exhausted':
      return 'ron mailbox ls   (receive, remove or purge something)';
    default:
      return undefined;
  }
}

interface SystemError {
  readonly text: string;
  readonly exitCode: ExitCode;
}

const systemErrors: Readonly<Record<string, SystemError>> = {
  ENOENT: { text: 'there is no such file or folder', exitCode: exitCodes.notFound },
  ENOTDIR: { text: 'a part of the path is not a folder', exitCode: exitCodes.notFound },
  EISDIR: { text: 'that is a folder', exitCode: exitCodes.usage },
  EEXIST: { text: 'it exists already', exitCode: exitCodes.conflict },
  EACCES: { text: 'the file system does not allow it', exitCode: exitCodes.notAllowed },
  EPERM: { text: 'the file system does not allow it', exitCode: exitCodes.notAllowed },
  EROFS: { text: 'the file system is read-only', exitCode: exitCodes.notAllowed },
  ENOSPC: { text: 'the disk is full', exitCode: exitCodes.limit },
  EDQUOT: { text: 'the disk quota is used up', exitCode: exitCodes.limit },
  EMFILE: { text: 'too many open files', exitCode: exitCodes.limit },
};

function systemReport(error: Error, code: string, { command }: ErrorPlace): ErrorReport {
  const { text, exitCode } = systemErrors[code]!;
  const path = 'path' in error && typeof error.path === 'string' ? error.path : undefined;
  return {
    message: path === undefined ? text : `${path}: ${text}`,
    why: `${code} on this machine`,
    next: path === undefined ? `${command} --help` : `ls -ld ${path}`,
    exitCode,
    code,
  };
}

/** The name that the operating system gave a broken connection, wherever it is wrapped. */
function systemCode(cause: unknown): string | undefined {
  for (let depth = 0; cause instanceof Error && depth < 4; depth += 1, cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string' && /^E[A-Z]+$/.test(cause.code)) return cause.code;
  }
  return undefined;
}

/** Exactly three lines: what happened, why, and what to type next. */
export function renderReport(report: ErrorReport): string {
  const lines = [`ron: ${report.message}`, `  why: ${report.why}`, `  try: ${report.next}`];
  return lines.map((line) => printable(line.replaceAll('\n', ' '))).join('\n');
}

export function reportAsJson(report: ErrorReport): string {
  const { message, why, next, exitCode, code, corrId, retryAfterMs } = report;
  return JSON.stringify({
    error: { message, why, next, exit_code: exitCode, code, corr_id: corrId, retry_after_ms: retryAfterMs },
  });
}
