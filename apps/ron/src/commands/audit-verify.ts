import { createReadStream } from 'node:fs';
import { open, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { text as textOfStream } from 'node:stream/consumers';
import { type Finding, type LogSource, type VerifyReport, verifyLog } from '@ron/audit';
import { createRealDisk } from '@ron/kernel/real';
import { RonError } from '@ron/proto/errors';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';

export interface VerifyFlags {
  readonly key?: readonly string[];
  readonly checkpoint?: string;
  readonly receipt?: boolean;
}

const help = 'ron audit verify --help';

/**
 * A whole log, offline: an export, or the folder of a node that is off. Each finding is a line with its index; exit code
 * 7 when there is one.
 */
export async function runVerify(session: Session, [path = '']: string[], flags: VerifyFlags) {
  const { output } = session;
  if (flags.receipt) return verifyOneReceipt(session, path, flags);
  const folder = (await stat(path)).isDirectory();
  const source: LogSource = folder
    ? folderSource(await realpath(path))
    : { kind: 'export', bytes: createReadStream(path) };
  const report = await verified(source, path, {
    keys: await keysOf(session, path, folder, flags),
    ...(flags.checkpoint === undefined ? {} : { knownCheckpoint: await readFile(flags.checkpoint, 'utf8') }),
  });
  if (output.json) {
    for (const finding of report.findings) output.result({ finding: finding.kind, ...finding }, () => '');
    const { findings, warnings, exitCode: _exitCode, ...summary } = report;
    output.result({ ...summary, findings: findings.length, warnings }, () => '');
  } else {
    for (const finding of report.findings) output.stdout.write(`${textOf(session, finding)}\n`);
    output.stdout.write(`${describe(report)}\n`);
  }
  if (!output.json) for (const { index, detail } of report.warnings) output.warn(`entry ${index}: ${detail}`);
  return report.ok ? exitCodes.ok : exitCodes.integrity;
}

async function verified(
  source: LogSource,
  path: string,
  trust: Parameters<typeof verifyLog>[1],
): Promise<VerifyReport> {
  try {
    return await verifyLog(source, trust);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EBUSY') {
      throw new CliError(exitCodes.conflict, `${path} is in use: a node writes there`, {
        why: 'EBUSY',
        next: `stop the node, or: ron audit export -o log.ndjson; ron audit verify log.ndjson`,
        cause: thrown,
      });
    }
    if (thrown instanceof RonError) throw usageError(thrown.message, help);
    throw thrown;
  }
}

async function keysOf(
  { environment, output }: Session,
  path: string,
  folder: boolean,
  { key }: VerifyFlags,
): Promise<readonly string[]> {
  const given = key ?? environment['RON_AUDIT_KEY']?.split(/\s+/).filter((each) => each !== '');
  if (given !== undefined && given.length > 0) return given;
  const next = `ron audit verify ${path} --key "$(ron audit key)"`;
  if (folder) {
    throw new CliError(exitCodes.usage, 'a log is checked with the key that signs it', {
      why: 'usage: neither --key nor RON_AUDIT_KEY is given',
      next,
    });
  }
  output.warn('checked with the key that the file itself names: whoever wrote the file chose it. Better: --key');
  return ownKeys(path);
}

const headBytesMax = 65_536;

/** The keys in the first line of an export. */
async function ownKeys(path: string): Promise<readonly string[]> {
  const line = await firstLine(path);
  try {
    const { keys } = JSON.parse(line) as { readonly keys?: unknown };
    if (Array.isArray(keys) && keys.length > 0) return keys.map(String);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
  }
  throw new CliError(exitCodes.integrity, `${path} does not begin as an export of an audit log`, {
    why: 'integrity: its first line is not its head',
    next: 'ron audit export -o FILE',
  });
}

async function firstLine(path: string): Promise<string> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytesMax), 0, headBytesMax, 0);
  return buffer.toString('utf8', 0, bytesRead).split('\n')[0]!;
}

function folderSource(path: string): LogSource {
  return { kind: 'folder', disk: createRealDisk(dirname(path)), folder: basename(path) };
}

function textOf({ output }: Session, { kind, index, to, detail }: Finding): string {
  const where = to > index + 1 ? `entries ${index} to ${to - 1}` : `entry ${index}`;
  return `${output.paint('red', kind)}  ${where}: ${detail}`;
}

function describe({ ok, origin, size, from, to, findings, notKept }: VerifyReport): string {
  return renderFields([
    ['log', origin],
    ['checkpoint', `${size} entries`],
    ['checked', to > from ? `entries ${from} to ${to - 1}` : 'none'],
    ...(notKept === undefined
      ? []
      : [['given up', `entries ${notKept.from} to ${notKept.to - 1}; their hashes fit`] as const]),
    ['result', ok ? 'everything is as it was signed' : `${findings.length} found`],
  ]);
}

/** A receipt in a file, as `prove` and `names.set(…, { receipt: true })` give it; nobody is asked. */
async function verifyOneReceipt(session: Session, path: string, { key }: VerifyFlags) {
  if (key === undefined) throw usageError('a receipt is checked with --key', help);
  const { connect } = await import('@ron/app-sdk/node');
  const { describe: describeReceipt } = await import('./audit.ts');
  const text = path === '-' ? await textOfStream(session.input) : await readFile(path, 'utf8');
  await using offline = connect({ auditKeys: key });
  const verifying = offline.audit.verify(text.startsWith('c2sp.org/') ? text : text.trim(), { signal: session.signal });
  const receipt = await verifying.catch((thrown: unknown) => {
    // Who checks a file that should be a receipt, and finds that it is none, has found that it was changed.
    if (!(thrown instanceof Error) || (thrown as { code?: unknown }).code !== 'bad_request') throw thrown;
    throw new RonError('integrity', `${path} proves nothing: ${thrown.message}`, { cause: thrown });
  });
  session.output.result(receipt, () => describeReceipt(receipt));
  return undefined;
}
