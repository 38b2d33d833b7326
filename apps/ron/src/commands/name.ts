import { writeFile } from 'node:fs/promises';
import type { NameRecord, Receipted } from '@ron/app-sdk';
import { usageError } from '../cli-error.ts';
import { formatTime } from '../output/format.ts';
import { printRows } from '../output/streamed-table.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';
import { parseDurationMs } from '../values/duration.ts';

interface SetFlags {
  readonly new?: boolean;
  readonly ifVersion?: string;
  readonly expires?: string;
  readonly receipt?: string;
}

export async function runSet(session: Session, [name = '', address = '']: string[], flags: SetFlags) {
  const { client, output, signal } = session;
  if (flags.new && flags.ifVersion !== undefined) {
    throw usageError('--new and --if-version exclude each other', 'ron name set --help');
  }
  const ifVersion = flags.new ? 0 : parseVersion(flags.ifVersion);
  const record = await client.names.set(name, address, {
    signal,
    receipt: flags.receipt !== undefined,
    ...(ifVersion === undefined ? {} : { ifVersion }),
    ...(flags.expires === undefined ? {} : { expiresAtMs: Date.now() + parseDurationMs(flags.expires) }),
  });
  await keepReceipt(record, flags.receipt);
  output.result(record, () => `${record.name} is now version ${record.version}`);
  return undefined;
}

export async function runResolve(
  { client, output, signal }: Session,
  [name = '']: string[],
  flags: { fresh?: boolean },
) {
  const record = await client.names.resolve(name, { signal, ...(flags.fresh ? { fresh: true } : {}) });
  output.note(`version ${record.version}, ${formatTime(record.updated_at)}, from ${record.source}`);
  output.result(record, () => record.address);
  return undefined;
}

export async function runList({ client, output, signal }: Session, [prefix]: string[]) {
  await printRecords(output, client.names.list(prefix, { signal }), nameColumns);
  return undefined;
}

export async function runHistory({ client, output, signal }: Session, [name = '']: string[]) {
  await printRecords(output, client.names.history(name, { signal }), versionColumns);
  return undefined;
}

export async function runRollback({ client, output, signal }: Session, [name = '', text = '']: string[]) {
  const version = parseVersion(text) ?? 0;
  const record = await client.names.rollback(name, version, { signal });
  output.note(`${record.name} points at what version ${version} did, as version ${record.version}`);
  output.result(record, () => record.address);
  return undefined;
}

interface RemoveFlags {
  readonly ifVersion?: string;
  readonly dryRun?: boolean;
  readonly receipt?: string;
}

export async function runRemove({ client, output, signal }: Session, [name = '']: string[], flags: RemoveFlags) {
  const ifVersion = parseVersion(flags.ifVersion);
  if (flags.dryRun) {
    const record = await client.names.resolve(name, { signal, fresh: true });
    const { version, address } = record;
    output.result({ dry_run: true, name, version, address }, () =>
      renderFields([
        ['would forget', name],
        ['version', String(version)],
        ['address', address],
      ]),
    );
    return undefined;
  }
  const receipt = flags.receipt !== undefined;
  const removed = await client.names.remove(name, {
    signal,
    receipt,
    ...(ifVersion === undefined ? {} : { ifVersion }),
  });
  await keepReceipt(removed, flags.receipt);
  output.result({ name, removed: true }, () => `${name} is forgotten; its content stays until garbage collection`);
  return undefined;
}

/** For `ron audit verify FILE --receipt`; it was checked before it came here. */
async function keepReceipt({ receipt }: Partial<Receipted>, path: string | undefined): Promise<void> {
  if (receipt !== undefined && path !== undefined) await writeFile(path, `${receipt.text}\n`);
}

const nameColumns = ['name', 'version', 'address', 'updated'] as const;
const versionColumns = ['version', 'address', 'updated', 'owner'] as const;
type ColumnName = (typeof nameColumns)[number] | (typeof versionColumns)[number];

const cells: Readonly<Record<ColumnName, (record: NameRecord) => string>> = {
  name: ({ name }) => name,
  version: ({ version }) => String(version),
  address: ({ address }) => address,
  updated: ({ updated_at }) => formatTime(updated_at),
  owner: ({ owner }) => owner,
};

async function printRecords(
  output: Session['output'],
  records: AsyncIterable<NameRecord>,
  names: readonly ColumnName[],
): Promise<void> {
  const columns = names.map((title) => ({
    title,
    align: title === 'version' ? ('right' as const) : ('left' as const),
  }));
  await printRows(output, columns, records, (record) => ({
    cells: names.map((name) => cells[name](record)),
    json: record,
  }));
}

function parseVersion(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const version = Number(text);
  if (!/^[1-9]\d*$/.test(text) || !Number.isSafeInteger(version)) {
    throw usageError(`"${text}" is not a version: versions are 1, 2, 3 …`, 'ron name history NAME');
  }
  return version;
}
