import { RonError } from '@ron/proto/errors';
import type { Change, TableLimits, TableView } from './table.ts';

export interface Held<V> {
  readonly json: string;
  readonly value: V;
}

const charactersMaxDefault = 64 * 1024 * 1024;

/** A table as the transactions of one batch leave it, before it is stored. */
export class TableDraft<V> implements TableView<V> {
  readonly #base: ReadonlyMap<string, Held<V>>;
  readonly #limits: TableLimits;
  /** Undefined: removed. */
  readonly #changed = new Map<string, Held<V> | undefined>();
  #size: number;
  #characters: number;

  constructor(base: ReadonlyMap<string, Held<V>>, characters: number, limits: TableLimits) {
    this.#base = base;
    this.#limits = limits;
    this.#size = base.size;
    this.#characters = characters;
  }

  get size(): number {
    return this.#size;
  }

  /** Of all keys and values as JSON. */
  get characters(): number {
    return this.#characters;
  }

  get changes(): ReadonlyMap<string, Held<V> | undefined> {
    return this.#changed;
  }

  get(key: string): V | undefined {
    return this.#held(key)?.value;
  }

  *entries(prefix = ''): Iterable<readonly [string, V]> {
    for (const [key, { value }] of this.#base) {
      if (key.startsWith(prefix) && !this.#changed.has(key)) yield [key, value];
    }
    for (const [key, held] of this.#changed) if (held !== undefined && key.startsWith(prefix)) yield [key, held.value];
  }

  /** All or nothing. Refuses (`insufficient_storage`) what makes the table too large; what only removes always passes. */
  apply(changes: readonly Change<V>[]): void {
    const last = new Map(changes.map(([key, value]) => [key, value === undefined ? undefined : heldOf(value)]));
    let [size, characters] = [this.#size, this.#characters];
    for (const [key, held] of last) {
      const before = this.#held(key);
      size += Number(held !== undefined) - Number(before !== undefined);
      characters += costOf(key, held) - costOf(key, before);
    }
    const { entriesMax, charactersMax = charactersMaxDefault } = this.#limits;
    const grows = [...last.values()].some((held) => held !== undefined);
    if (grows && (size > entriesMax || characters > charactersMax)) {
      throw new RonError('insufficient_storage', `at most ${entriesMax} entries and ${charactersMax} characters`);
    }
    for (const [key, held] of last) this.#changed.set(key, held);
    this.#size = size;
    this.#characters = characters;
  }

  #held(key: string): Held<V> | undefined {
    return this.#changed.has(key) ? this.#changed.get(key) : this.#base.get(key);
  }
}

/** The value as it will be read back: a copy, which nobody can change. */
function heldOf<V>(value: V): Held<V> {
  return heldFrom(JSON.stringify(value));
}

export function heldFrom<V>(json: string): Held<V> {
  return { json, value: frozen(JSON.parse(json)) as V };
}

export function costOf(key: string, held: { readonly json: string } | undefined): number {
  return held === undefined ? 0 : key.length + held.json.length;
}

function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const each of Object.values(value)) frozen(each);
  return Object.freeze(value);
}
