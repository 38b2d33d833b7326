import { parse as parseToml, TomlError } from 'smol-toml';
import { type ConfigProblem, lineNumbers, nearest } from './problems.ts';
import { type ConfigTables, checkField, type FieldSchema, fieldsOf, parseText, unsafeReason } from './schema.ts';

export interface ConfigFile {
  /** For messages only. */
  readonly name: string;
  readonly text: string;
}

/** Everything besides the defaults; later ones win: file, environment, flags. */
export interface ConfigSources {
  readonly file?: ConfigFile | undefined;
  /** Only `RON_<TABLE>_<FIELD>` is looked at: `budgetBytes` of `storage` is `RON_STORAGE_BUDGET_BYTES`. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** `table.field` to text. */
  readonly flags?: Readonly<Record<string, string>> | undefined;
}

export interface Origin {
  readonly source: 'default' | 'file' | 'environment' | 'flag';
  /** `config.toml:12`, `RON_STORAGE_BUDGET_BYTES`, `--storage.budgetBytes`; empty for a default. */
  readonly where: string;
}

export interface Resolved {
  readonly values: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly origins: ReadonlyMap<string, Origin>;
  readonly unsafeFields: readonly string[];
}

type Layer = ReadonlyMap<string, { readonly raw: unknown; readonly origin: Origin }>;
type Table = Readonly<Record<string, unknown>>;

const fileBytesMax = 1024 * 1024;

/** Reads and validates everything at once; `problems` is empty when `resolved` can be used. */
export function resolveConfig(
  tables: ConfigTables,
  sources: ConfigSources,
): { readonly resolved: Resolved; readonly problems: readonly ConfigProblem[] } {
  const problems: ConfigProblem[] = [];
  const unsafeTables = new Set<string>();
  const layers: Layer[] = [
    fileLayer(tables, sources.file, problems, unsafeTables),
    environmentLayer(tables, sources.environment ?? {}, problems),
    flagLayer(tables, sources.flags ?? {}, problems),
  ];
  const values: Record<string, Table> = {};
  const origins = new Map<string, Origin>();
  const unsafeFields: string[] = [];
  for (const [table, schema] of Object.entries(tables)) {
    const row: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(fieldsOf(schema))) {
      const path = `${table}.${name}`;
      const { raw, origin } = pick(layers, path, field);
      origins.set(path, origin);
      if (raw === undefined) {
        if ((schema.required as readonly string[] | undefined)?.includes(name)) {
          problems.push({ path, message: 'is required', where: sources.file?.name ?? '' });
        }
        continue;
      }
      const checked = checkField(field, raw);
      if (!checked.ok) {
        problems.push({ path, message: checked.problem, where: origin.where });
        continue;
      }
      row[name] = checked.value;
      const unsafe = unsafeReason(field, checked.value);
      if (unsafe === undefined) continue;
      unsafeFields.push(path);
      if (unsafeTables.has(table)) continue;
      problems.push({
        path,
        message: `${unsafe}; to accept it, write unsafe = true in [${table}]`,
        where: origin.where,
      });
    }
    values[table] = Object.freeze(row);
  }
  return { resolved: { values: Object.freeze(values), origins, unsafeFields }, problems };
}

function pick(layers: readonly Layer[], path: string, field: FieldSchema): { raw: unknown; origin: Origin } {
  for (const layer of layers.toReversed()) {
    const entry = layer.get(path);
    if (entry !== undefined) return entry;
  }
  return { raw: field.default, origin: { source: 'default', where: '' } };
}

function fileLayer(
  tables: ConfigTables,
  file: ConfigFile | undefined,
  problems: ConfigProblem[],
  unsafeTables: Set<string>,
): Layer {
  const layer = new Map<string, { raw: unknown; origin: Origin }>();
  if (file === undefined) return layer;
  const document = parseFile(file, problems);
  const lines = lineNumbers(file.text);
  const whereIs = (path: string) => (lines.has(path) ? `${file.name}:${lines.get(path)}` : file.name);
  for (const [table, content] of Object.entries(document)) {
    const schema = tables[table];
    if (schema === undefined || !Object.hasOwn(tables, table)) {
      problems.push({ path: table, message: unknown('table', table, Object.keys(tables)), where: whereIs(table) });
      continue;
    }
    if (typeof content !== 'object' || content === null || Array.isArray(content)) {
      problems.push({ path: table, message: 'must be a table', where: whereIs(table) });
      continue;
    }
    const fields = fieldsOf(schema);
    for (const [name, raw] of Object.entries(content)) {
      const path = `${table}.${name}`;
      if (name === 'unsafe' && !Object.hasOwn(fields, 'unsafe')) {
        if (raw === true) unsafeTables.add(table);
        else if (raw !== false) problems.push({ path, message: 'must be true or false', where: whereIs(path) });
      } else if (Object.hasOwn(fields, name)) {
        layer.set(path, { raw, origin: { source: 'file', where: whereIs(path) } });
      } else {
        problems.push({ path, message: unknown('key', name, Object.keys(fields)), where: whereIs(path) });
      }
    }
  }
  return layer;
}

function parseFile(file: ConfigFile, problems: ConfigProblem[]): Table {
  if (file.text.length > fileBytesMax) {
    problems.push({ path: '', message: 'is larger than 1 MiB', where: file.name });
    return {};
  }
  try {
    return parseToml(file.text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [message = 'is not valid TOML'] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    problems.push({ path: '', message, where: `${file.name}:${error.line}` });
    return {};
  }
}

function environmentLayer(
  tables: ConfigTables,
  environment: Readonly<Record<string, string | undefined>>,
  problems: ConfigProblem[],
): Layer {
  const layer = new Map<string, { raw: unknown; origin: Origin }>();
  const known = new Map<string, { path: string; field: FieldSchema }>();
  for (const [table, schema] of Object.entries(tables)) {
    for (const [name, field] of Object.entries(fieldsOf(schema))) {
      known.set(variableName(table, name), { path: `${table}.${name}`, field });
    }
  }
  const prefixes = Object.keys(tables).map((table) => `${variableName(table, '')}`);
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith('RON_')) continue;
    const target = known.get(variable);
    if (target !== undefined) {
      layer.set(target.path, {
        raw: parseText(target.field, text),
        origin: { source: 'environment', where: variable },
      });
    } else if (prefixes.some((prefix) => variable.startsWith(prefix))) {
      // Others (RON_CAP, RON_NODE_URL) belong to clients; this one means a table of ours and misses.
      problems.push({ path: '', message: unknown('variable', variable, known.keys()), where: variable });
    }
  }
  return layer;
}

function flagLayer(tables: ConfigTables, flags: Readonly<Record<string, string>>, problems: ConfigProblem[]): Layer {
  const layer = new Map<string, { raw: unknown; origin: Origin }>();
  for (const [path, text] of Object.entries(flags)) {
    const [table = '', name = ''] = path.split('.');
    const field = Object.hasOwn(tables, table) ? fieldsOf(tables[table] as ConfigTables[string])[name] : undefined;
    const where = `--${path}`;
    if (field !== undefined) layer.set(path, { raw: parseText(field, text), origin: { source: 'flag', where } });
    else problems.push({ path: '', message: unknown('flag', path, allPaths(tables)), where });
  }
  return layer;
}

function allPaths(tables: ConfigTables): string[] {
  return Object.entries(tables).flatMap(([table, schema]) =>
    Object.keys(fieldsOf(schema)).map((name) => `${table}.${name}`),
  );
}

export function variableName(table: string, field: string): string {
  const words = (name: string) =>
    name
      .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
      .replaceAll('-', '_')
      .toUpperCase();
  return `RON_${words(table)}_${words(field)}`;
}

function unknown(what: string, name: string, names: Iterable<string>): string {
  const near = nearest(name, names);
  return near === undefined ? `unknown ${what}` : `unknown ${what}, did you mean ${near}?`;
}
