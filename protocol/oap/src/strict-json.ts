import { RonError } from '@ron/proto/errors';
import { limits } from './limits.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export interface StrictJsonLimits {
  /** UTF-8 bytes of the text (for a string, an upper estimate that is exact when it decides). */
  readonly bytesMax: number;
  /** Nesting of arrays and objects; a scalar has depth 0. Default `jsonDepthMax`, 32. */
  readonly depthMax?: number;
  /**
   * Members of objects and entries of arrays; an empty one counts as one. Default `jsonItemsMax`, 20,000: keys that
   * all differ take far longer than their bytes.
   */
  readonly itemsMax?: number;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Parses JSON from outside. Beyond `JSON.parse` it refuses duplicate keys, the key `__proto__`, numbers that are not
 * finite, lone surrogates, invalid UTF-8, a byte order mark, and nesting past the limit.
 *
 * Duplicates are found by counting: one scan counts the members that the text has, one walk those that are left
 * after parsing. Both are linear and need no memory per key.
 *
 * @throws RonError `payload_too_large` past `bytesMax`, `bad_request` otherwise.
 */
export function parseStrictJson(input: Uint8Array | string, bounds: StrictJsonLimits): JsonValue {
  if (tooLong(input, bounds.bytesMax)) {
    throw new RonError('payload_too_large', 'the JSON text is too long', { details: { bytes_max: bounds.bytesMax } });
  }
  const text = typeof input === 'string' ? input : decodeUtf8(input);
  const { depthMax = limits.jsonDepthMax, itemsMax = limits.jsonItemsMax } = bounds;
  const members = scanMembers(text, depthMax, itemsMax);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    // The parser's message quotes the text around the fault, which may be a secret: it is not passed on to a log.
    throw new RonError('bad_request', 'the JSON text is malformed');
  }
  // Decoded UTF-8 has no lone surrogates; they come from escapes or from the caller's own string.
  const checkStrings = typeof input === 'string' || text.includes('\\');
  if (countMembers(value, checkStrings) !== members) {
    throw new RonError('bad_request', 'the JSON text has a duplicate key');
  }
  return value;
}

/** The same, for a text that must be an object. */
export function parseStrictObject(input: Uint8Array | string, bounds: StrictJsonLimits): JsonObject {
  const value = parseStrictJson(input, bounds);
  if (!isJsonObject(value)) throw new RonError('bad_request', 'the JSON text is not an object');
  return value;
}

export function isJsonObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function tooLong(input: Uint8Array | string, bytesMax: number): boolean {
  if (input.length > bytesMax) return true;
  // A UTF-16 unit is at most three bytes of UTF-8, so only texts near the limit are measured.
  return typeof input === 'string' && input.length * 3 > bytesMax && encoder.encode(input).length > bytesMax;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new RonError('bad_request', 'the JSON text is not UTF-8', { cause });
  }
}

/**
 * Counts members and bounds the nesting and the items, before anything is made of them. On malformed text the count means
 * nothing; `JSON.parse` refuses it next.
 */
function scanMembers(text: string, depthMax: number, itemsMax: number): number {
  let depth = 0;
  let members = 0;
  // An item follows the beginning of what it is in, or a comma.
  let items = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      at = endOfString(text, at);
      if (at < 0) break;
    } else if (unit === COLON) members++;
    else if (unit === COMMA) items++;
    else if (unit === OPEN_OBJECT || unit === OPEN_ARRAY) {
      items++;
      if (++depth > depthMax) {
        throw new RonError('bad_request', 'the JSON text is nested too deeply', { details: { depth_max: depthMax } });
      }
    } else if (unit === CLOSE_OBJECT || unit === CLOSE_ARRAY) depth--;
    if (items > itemsMax) {
      throw new RonError('bad_request', 'the JSON text has too many members', { details: { items_max: itemsMax } });
    }
  }
  return members;
}

/** Index of the quote that ends the string begun at `start`, or −1. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

/** Whether the quote at `at` follows an odd run of backslashes. */
function isEscaped(text: string, at: number): boolean {
  let run = 0;
  while (text.charCodeAt(at - 1 - run) === BACKSLASH) run++;
  return run % 2 === 1;
}

function countMembers(value: JsonValue, checkStrings: boolean): number {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RonError('bad_request', 'the JSON text has a number out of range');
    return 0;
  }
  if (typeof value === 'string') {
    if (checkStrings) refuseLoneSurrogate(value);
    return 0;
  }
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += countMembers(item, checkStrings);
    return members;
  }
  const object = value as JsonObject;
  for (const key of Object.keys(object)) {
    if (key === '__proto__') throw new RonError('bad_request', 'the JSON text has a forbidden key');
    if (checkStrings) refuseLoneSurrogate(key);
    members += 1 + countMembers(object[key] as JsonValue, checkStrings);
  }
  return members;
}

function refuseLoneSurrogate(value: string): void {
  if (!value.isWellFormed()) throw new RonError('bad_request', 'the JSON text has a lone surrogate');
}
