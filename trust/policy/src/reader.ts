import { nearest } from '@ron/kernel';

type Fields = Readonly<Record<string, unknown>>;

/** Problems that one reading reports; a document with more of them has been told enough. */
const problemsMax = 32;

/** Reads values that others wrote, and notes everything that is wrong with them, each with its path. */
export class Reader {
  readonly problems: string[] = [];

  refuse(path: string, message: string): undefined {
    if (this.problems.length < problemsMax) this.problems.push(`${path}: ${message}`);
    return undefined;
  }

  /** A plain object with no other fields than `known`. */
  object(value: unknown, path: string, known?: readonly string[]): Fields | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) {
      return this.refuse(path, 'must be a table');
    }
    for (const key of Object.keys(value)) {
      if (known === undefined || known.includes(key)) continue;
      const near = nearest(key, known);
      const hint = near === undefined ? '' : `; did you mean "${near}"?`;
      this.refuse(join(path, key.slice(0, 64)), `unknown field${hint}`);
    }
    return value as Fields;
  }

  text(value: unknown, path: string, pattern: RegExp, what: string): string | undefined {
    return typeof value === 'string' && pattern.test(value) ? value : this.refuse(path, `must be ${what}`);
  }

  integer(value: unknown, path: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
    const ok = typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
    return ok ? value : this.refuse(path, `must be an integer from ${min} to ${max}`);
  }

  /** A finite number, with a fraction or without. */
  rate(value: unknown, path: string, min: number): number | undefined {
    const ok = typeof value === 'number' && Number.isFinite(value) && value >= min;
    return ok ? value : this.refuse(path, `must be a number of at least ${min}`);
  }

  boolean(value: unknown, path: string): boolean | undefined {
    return typeof value === 'boolean' ? value : this.refuse(path, 'must be true or false');
  }

  /** Each item is read by `read` and those that it refuses are left out. */
  list<T>(
    value: unknown,
    path: string,
    max: number,
    read: (item: unknown, path: string) => T | undefined,
  ): T[] | undefined {
    if (!Array.isArray(value)) return this.refuse(path, 'must be a list');
    if (value.length > max) return this.refuse(path, `has at most ${max} items`);
    return value.flatMap((item, index) => read(item, `${path}[${index}]`) ?? []);
  }

  distinct(values: readonly string[], path: string, what: string): void {
    if (new Set(values).size !== values.length) this.refuse(path, `has one ${what} twice`);
  }
}

export function join(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}

/** `fields` without what is undefined: canonical JSON knows no such value. */
export function present<T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
