/** A member's value, as far as a cache looks at it. Parameters are parsed and dropped. */
export type StructuredItem =
  | { readonly kind: 'integer' | 'decimal'; readonly value: number }
  | { readonly kind: 'string' | 'token' | 'bytes'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'list' };

/** A Dictionary of RFC 9651 (and 8941); undefined when any part of it does not parse. Of a repeated key the last counts. */
export function parseDictionary(text: string): ReadonlyMap<string, StructuredItem> | undefined {
  const reader = new Reader(text);
  const members = new Map<string, StructuredItem>();
  reader.skip(/ */y);
  while (!reader.atEnd()) {
    const key = reader.take(/[a-z*][a-z0-9_.*-]*/y);
    if (key === undefined) return undefined;
    const item: StructuredItem | undefined = reader.skip(/=/y)
      ? (readList(reader) ?? readItem(reader))
      : { kind: 'boolean', value: true };
    if (item === undefined || !readParameters(reader)) return undefined;
    members.delete(key);
    members.set(key, item);
    reader.skip(/[ \t]*/y);
    if (reader.atEnd()) return members;
    if (!reader.skip(/,[ \t]*/y) || reader.atEnd()) return undefined;
  }
  return members;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.replace(/ +$/, '');
  }

  atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /** `pattern` is sticky. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match[0];
  }

  skip(pattern: RegExp): boolean {
    return this.take(pattern) !== undefined;
  }
}

function readItem(reader: Reader): StructuredItem | undefined {
  const decimal = reader.take(/-?\d{1,12}\.\d{1,3}(?!\d)/y);
  if (decimal !== undefined) return { kind: 'decimal', value: Number(decimal) };
  const integer = reader.take(/-?\d{1,15}(?![\d.])/y);
  if (integer !== undefined) return { kind: 'integer', value: Number(integer) };
  const string = reader.take(/"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/y);
  if (string !== undefined) return { kind: 'string', value: string.slice(1, -1).replace(/\\(.)/g, '$1') };
  const token = reader.take(/[A-Za-z*][!#$%&'*+.^_`|~:/0-9A-Za-z-]*/y);
  if (token !== undefined) return { kind: 'token', value: token };
  const bytes = reader.take(/:[A-Za-z0-9+/=]*:/y);
  if (bytes !== undefined) return { kind: 'bytes', value: bytes };
  const truth = reader.take(/\?[01]/y);
  return truth === undefined ? undefined : { kind: 'boolean', value: truth === '?1' };
}

function readList(reader: Reader): StructuredItem | undefined {
  if (!reader.skip(/\( */y)) return undefined;
  while (!reader.skip(/\)/y)) {
    if (readItem(reader) === undefined || !readParameters(reader)) return undefined;
    if (!reader.skip(/ +|(?=\))/y)) return undefined;
  }
  return { kind: 'list' };
}

function readParameters(reader: Reader): boolean {
  while (reader.skip(/; */y)) {
    if (!reader.skip(/[a-z*][a-z0-9_.*-]*/y)) return false;
    if (reader.skip(/=/y) && readItem(reader) === undefined) return false;
  }
  return true;
}
