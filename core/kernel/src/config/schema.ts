import type { Static, TObject } from 'typebox';

/**
 * What a field of a config table may say besides JSON Schema. Tables are flat: integers, numbers, booleans, strings, enumerations
 * (`Type.Enum` or a union of literals) and arrays of strings. Every field has a `default` or is optional.
 */
export interface FieldSchema {
  readonly type?: 'integer' | 'number' | 'boolean' | 'string' | 'array';
  readonly default?: unknown;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly { readonly const?: unknown }[];
  readonly maxItems?: number;
  /** Of an array: what each string must match. */
  readonly items?: { readonly pattern?: string };
  /** Makes `"64MiB"` and `"30s"` acceptable for a number. */
  readonly unit?: 'bytes' | 'ms' | 'count' | 'per_second';
  /** Takes effect without a restart. */
  readonly reload?: boolean;
  /** Below or above these a value needs `unsafe = true` in its table. */
  readonly safeMin?: number;
  readonly safeMax?: number;
  /** Any other value needs `unsafe = true` in its table. */
  readonly safeValue?: unknown;
  /** Never shown. */
  readonly secret?: boolean;
}

export type ConfigTables = Readonly<Record<string, TObject>>;
export type TableValues<S extends TObject> = Readonly<Static<S>>;

export function fieldsOf(schema: TObject): Readonly<Record<string, FieldSchema>> {
  return schema.properties as unknown as Record<string, FieldSchema>;
}

/** The value as the field wants it, or what is wrong with it. */
export type Checked = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string };

const factors: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  bytes: { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 },
  ms: { ms: 1, s: 1e3, m: 60e3, min: 60e3, h: 3600e3, d: 86_400e3 },
};

/** From the environment or a flag: text only. */
export function parseText(field: FieldSchema, text: string): unknown {
  if (field.type === 'boolean')
    return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text;
  if (field.type === 'integer' || field.type === 'number') {
    return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
  }
  if (field.type === 'array') return text === '' ? [] : text.split(',').map((part) => part.trim());
  return text;
}

/**
 * A small checker for the subset above: the library's own value checker takes over 100 ms to load, a fifth of the whole start.
 */
export function checkField(field: FieldSchema, raw: unknown): Checked {
  const choices = field.enum ?? field.anyOf?.map((option) => option.const);
  if (choices !== undefined) {
    return choices.includes(raw)
      ? pass(raw)
      : fail(`must be one of ${choices.map((c) => JSON.stringify(c)).join(', ')}`);
  }
  switch (field.type) {
    case 'integer':
    case 'number':
      return checkNumber(field, typeof raw === 'string' ? withUnit(field, raw) : raw);
    case 'boolean':
      return typeof raw === 'boolean' ? pass(raw) : fail('must be true or false');
    case 'string':
      return checkString(field, raw);
    case 'array':
      if (!Array.isArray(raw) || raw.some((item) => typeof item !== 'string')) return fail('must be a list of strings');
      if (field.items?.pattern !== undefined) {
        const form = new RegExp(field.items.pattern);
        const wrong = raw.find((item) => !form.test(item));
        if (wrong !== undefined)
          return fail(`has ${JSON.stringify(wrong)}, which is not of the form ${field.items.pattern}`);
      }
      if (raw.length > (field.maxItems ?? 1000)) return fail(`must have at most ${field.maxItems ?? 1000} items`);
      return pass(Object.freeze([...raw]));
    default:
      return fail('has a type that configuration does not support');
  }
}

/** Why the value needs `unsafe = true`; undefined when it does not. */
export function unsafeReason(field: FieldSchema, value: unknown): string | undefined {
  if (field.safeValue !== undefined && value !== field.safeValue)
    return `differs from the safe ${JSON.stringify(field.safeValue)}`;
  if (typeof value !== 'number') return undefined;
  if (field.safeMin !== undefined && value < field.safeMin) return `is under the safe bound ${field.safeMin}`;
  if (field.safeMax !== undefined && value > field.safeMax) return `is over the safe bound ${field.safeMax}`;
  return undefined;
}

function checkNumber(field: FieldSchema, value: unknown): Checked {
  const what = field.type === 'integer' ? 'an integer' : 'a number';
  const unit = field.unit === undefined ? '' : ` (${field.unit})`;
  if (typeof value !== 'number' || !Number.isFinite(value)) return fail(`must be ${what}${unit}`);
  if (field.type === 'integer' && !Number.isSafeInteger(value)) return fail(`must be ${what}${unit}`);
  if (field.minimum !== undefined && value < field.minimum) return fail(`must be at least ${field.minimum}${unit}`);
  if (field.maximum !== undefined && value > field.maximum) return fail(`must be at most ${field.maximum}${unit}`);
  return pass(value);
}

function checkString(field: FieldSchema, value: unknown): Checked {
  if (typeof value !== 'string') return fail('must be a string');
  if (value.length < (field.minLength ?? 0)) return fail(`must have at least ${field.minLength} characters`);
  if (value.length > (field.maxLength ?? 4096)) return fail(`must have at most ${field.maxLength ?? 4096} characters`);
  if (field.pattern !== undefined && !new RegExp(field.pattern, 'u').test(value))
    return fail(`must match ${field.pattern}`);
  return pass(value);
}

function withUnit(field: FieldSchema, text: string): unknown {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text);
  const factor = field.unit === undefined ? undefined : factors[field.unit]?.[match?.[2] ?? ''];
  return match === null || factor === undefined ? text : Number(match[1]) * factor;
}

const pass = (value: unknown): Checked => ({ ok: true, value });
const fail = (problem: string): Checked => ({ ok: false, problem });
