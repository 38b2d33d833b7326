import { readFile } from 'node:fs/promises';
import type { ConfigTables } from '@ron/kernel';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';
import type { Setting } from '../settings.ts';

interface ConfigFlags {
  readonly origin?: boolean;
  readonly profile?: 'micro' | 'macro';
}

interface Row {
  readonly field: string;
  readonly value: unknown;
  readonly origin: string;
}

/** What this command uses and, given a file, what a node would make of it. */
export async function runShow(session: Session, [file]: string[], flags: ConfigFlags) {
  const { settings } = session;
  const rows: Row[] = [
    row(
      'url',
      () => settings.url,
      (value) => value,
    ),
    row(
      'capability',
      () => settings.capability,
      (value) => (value === undefined ? '(none)' : '[redacted]'),
    ),
  ];
  if (file !== undefined) rows.push(...(await nodeRows(file, flags)));
  print(session, rows, flags.origin === true);
  return undefined;
}

/** A value that is wrong is what this command is asked about: it is shown as such instead of ending it. */
function row<T>(field: string, read: () => Setting<T>, shown: (value: T) => unknown): Row {
  try {
    const { value, source } = read();
    return { field, value: shown(value), origin: source };
  } catch (thrown) {
    if (!(thrown instanceof CliError)) throw thrown;
    return { field, value: `(refused: ${thrown.message})`, origin: thrown.why };
  }
}

export async function runCheck(session: Session, [file = '']: string[], flags: ConfigFlags) {
  const rows = await nodeRows(file, flags);
  if (flags.origin) print(session, rows, true);
  else if (session.output.json) session.output.result({ file, ok: true }, () => '');
  session.output.note(`${file}: valid`);
  return undefined;
}

function print({ output }: Session, rows: readonly Row[], origin: boolean): void {
  if (output.json) {
    for (const { field, value, origin: from } of rows) {
      output.result(origin ? { field, value, origin: from } : { field, value }, () => '');
    }
    return;
  }
  const titles = [{ title: 'field' }, { title: 'value' }, ...(origin ? [{ title: 'from' }] : [])];
  const cells = rows.map(({ field, value, origin: from }) => [field, text(value), ...(origin ? [from] : [])]);
  output.stdout.write(`${renderTable(titles, cells)}\n`);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '(unset)');
}

/** Validates the file as the node does, over its defaults and under the environment. */
async function nodeRows(file: string, { profile }: ConfigFlags): Promise<Row[]> {
  const content = await readFile(file, 'utf8');
  // Schemas and their compiler take longer to load than most commands take to run.
  const [{ ConfigError, createConfig, formatProblem }, tables] = await Promise.all([
    import('@ron/kernel'),
    profile === 'macro'
      ? import('@ron/macronode/config').then(({ macronodeTables }) => macronodeTables)
      : import('@ron/micronode/config').then(({ micronodeTables }) => micronodeTables),
  ]);
  try {
    const sources = { file: { name: file, text: content }, environment: process.env, flags: {} };
    const config = createConfig<ConfigTables>(tables, sources);
    return config.entries().map(({ path, value, origin }) => ({
      field: path,
      value,
      origin: `${origin.source} ${origin.where}`.trim(),
    }));
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    const [first, ...others] = thrown.problems.map(formatProblem);
    const more = others.length === 0 ? '' : `; and ${others.join('; ')}`;
    throw new CliError(exitCodes.configuration, `${first}${more}`, {
      why: `configuration, ${thrown.problems.length} wrong in ${file}`,
      next: `\${EDITOR:-vi} ${file}`,
      cause: thrown,
    });
  }
}
