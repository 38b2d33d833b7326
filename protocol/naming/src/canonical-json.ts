import { refuse } from './refuse.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Nesting that every JSON text of the protocol stays within. */
export const jsonDepthMax = 32;

/**
 * The canonical text of a value after RFC 8785: members sorted by UTF-16 code units, numbers as ECMAScript prints
 * them, no space. Refuses (`bad_request`) what has no canonical form: non-finite numbers, lone surrogates, anything
 * that is not plain JSON data (`undefined` included), and nesting past 32.
 */
export function canonicalJson(value: JsonValue): string {
  return write(value, 1);
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return writeString(value);
    case 'number':
      if (!Number.isFinite(value)) refuse('json.number', 'a JSON number is finite');
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (depth > jsonDepthMax) refuse('json.depth', `JSON nests at most ${jsonDepthMax} deep`);
      return Array.isArray(value) ? writeArray(value, depth) : writeObject(value, depth);
    default:
      return refuse('json.type', `JSON has no ${typeof value}`);
  }
}

function writeString(text: string): string {
  if (!text.isWellFormed()) refuse('json.unicode', 'a JSON string is well-formed Unicode');
  return JSON.stringify(text);
}

function writeArray(items: readonly unknown[], depth: number): string {
  let text = '[';
  for (let index = 0; index < items.length; index += 1) {
    if (index > 0) text += ',';
    text += write(items[index], depth + 1);
  }
  return `${text}]`;
}

function writeObject(value: object, depth: number): string {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) refuse('json.type', 'JSON holds plain objects only');
  const members = value as Readonly<Record<string, unknown>>;
  let text = '{';
  for (const key of Object.keys(members).sort()) {
    if (text.length > 1) text += ',';
    text += `${writeString(key)}:${write(members[key], depth + 1)}`;
  }
  return `${text}}`;
}
