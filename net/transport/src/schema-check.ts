import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

const compiled = new WeakMap<TSchema, { Check(value: unknown): boolean }>();

/** Whether a value that another node sent is what the contract says; compiled on first use. */
export function fits(schema: TSchema, value: unknown): boolean {
  let check = compiled.get(schema);
  if (check === undefined) {
    check = Compile(schema);
    compiled.set(schema, check);
  }
  return check.Check(value);
}
