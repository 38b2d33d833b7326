import type { KernelBus } from '../kernel-bus.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { type ConfigSources, type Origin, type Resolved, resolveConfig } from './resolve.ts';
import { type ConfigTables, fieldsOf, type TableValues } from './schema.ts';

/** One table, live: `current()` is a frozen snapshot that a reload replaces as a whole. */
export interface ConfigTable<V> {
  current(): V;
  /** After a reload changed a field of this table. Errors of the listener reach who reloads. */
  onChange(listener: (now: V, before: V) => void): Disposable;
}

export type ReloadResult =
  | {
      readonly ok: true;
      /** `table.field` of what is in effect now. */
      readonly changed: readonly string[];
      /** Different in the file, but in effect only after a restart. */
      readonly ignored: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

export interface ConfigEntry {
  readonly path: string;
  readonly value: unknown;
  readonly origin: Origin;
  readonly reloads: boolean;
}

export interface Config<T extends ConfigTables = ConfigTables> {
  /** Grows by one with each reload that changed something; starts at 1. */
  readonly version: number;
  table<K extends keyof T & string>(name: K): ConfigTable<TableValues<T[K]>>;
  /** Where a `table.field` comes from; undefined for an unknown one. */
  origin(path: string): Origin | undefined;
  /** Values beyond their safe bounds, accepted by `unsafe = true`. Readiness reports them. */
  readonly unsafeFields: readonly string[];
  /** For display: secrets are `[redacted]`. */
  entries(): readonly ConfigEntry[];
  /** The file's new text. Keeps everything as it was and says why when the whole is not valid. Silent when nothing changed. */
  reload(text: string): ReloadResult;
}

/** Throws `ConfigError` with every problem at once. `bus` gets `ConfigUpdated{version}` after each effective reload. */
export function createConfig<const T extends ConfigTables>(
  tables: T,
  sources: ConfigSources,
  bus?: KernelBus,
): Config<T> {
  const { resolved, problems } = resolveConfig(tables, sources);
  if (problems.length > 0) throw new ConfigError(problems);
  return new LayeredConfig(tables, sources, resolved, bus);
}

type Values = Readonly<Record<string, unknown>>;
type Listener = (now: Values, before: Values) => void;

class LayeredConfig<T extends ConfigTables> implements Config<T> {
  version = 1;
  readonly #tables: T;
  readonly #sources: ConfigSources;
  readonly #bus: KernelBus | undefined;
  readonly #listeners = new Map<string, readonly Listener[]>();
  #resolved: Resolved;

  constructor(tables: T, sources: ConfigSources, resolved: Resolved, bus: KernelBus | undefined) {
    this.#tables = tables;
    this.#sources = sources;
    this.#resolved = resolved;
    this.#bus = bus;
  }

  get unsafeFields(): readonly string[] {
    return this.#resolved.unsafeFields;
  }

  table<K extends keyof T & string>(name: K): ConfigTable<TableValues<T[K]>> {
    if (!Object.hasOwn(this.#tables, name)) throw new RangeError(`no config table ${name}`);
    return {
      current: () => this.#resolved.values[name] as TableValues<T[K]>,
      onChange: (listener) => {
        const own: Listener = (now, before) => listener(now as TableValues<T[K]>, before as TableValues<T[K]>);
        this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), own]);
        return {
          [Symbol.dispose]: () => {
            this.#listeners.set(
              name,
              (this.#listeners.get(name) ?? []).filter((other) => other !== own),
            );
          },
        };
      },
    };
  }

  origin(path: string): Origin | undefined {
    return this.#resolved.origins.get(path);
  }

  entries(): readonly ConfigEntry[] {
    return Object.entries(this.#tables).flatMap(([table, schema]) =>
      Object.entries(fieldsOf(schema)).map(([name, field]) => ({
        path: `${table}.${name}`,
        value: field.secret === true ? '[redacted]' : this.#resolved.values[table]?.[name],
        origin: this.#resolved.origins.get(`${table}.${name}`) as Origin,
        reloads: field.reload === true,
      })),
    );
  }

  reload(text: string): ReloadResult {
    const file = { name: this.#sources.file?.name ?? 'config.toml', text };
    const { resolved, problems } = resolveConfig(this.#tables, { ...this.#sources, file });
    if (problems.length > 0) return { ok: false, problems };
    const before = this.#resolved;
    const { merged, changed, ignored } = this.#merge(before, resolved);
    if (changed.length === 0) return { ok: true, changed, ignored };
    this.#resolved = merged;
    this.version++;
    for (const table of new Set(changed.map((path) => path.slice(0, path.indexOf('.'))))) {
      for (const listener of this.#listeners.get(table) ?? []) {
        listener(merged.values[table] as Values, before.values[table] as Values);
      }
    }
    this.#bus?.publish({ type: 'ConfigUpdated', version: this.version });
    return { ok: true, changed, ignored };
  }

  /** New values for what reloads, the old ones for the rest. */
  #merge(before: Resolved, after: Resolved): { merged: Resolved; changed: string[]; ignored: string[] } {
    const values: Record<string, Values> = {};
    const origins = new Map(before.origins);
    const changed: string[] = [];
    const ignored: string[] = [];
    const unsafe = new Set(before.unsafeFields);
    for (const [table, schema] of Object.entries(this.#tables)) {
      const row = { ...before.values[table] };
      for (const [name, field] of Object.entries(fieldsOf(schema))) {
        const path = `${table}.${name}`;
        const value = after.values[table]?.[name];
        const same = JSON.stringify(row[name]) === JSON.stringify(value);
        if (!same && field.reload !== true) {
          ignored.push(path);
          continue;
        }
        origins.set(path, after.origins.get(path) as Origin);
        if (same) continue;
        changed.push(path);
        if (value === undefined) delete row[name];
        else row[name] = value;
        if (after.unsafeFields.includes(path)) unsafe.add(path);
        else unsafe.delete(path);
      }
      values[table] = Object.freeze(row);
    }
    return { merged: { values: Object.freeze(values), origins, unsafeFields: [...unsafe] }, changed, ignored };
  }
}
