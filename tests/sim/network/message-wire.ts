import type { Contract } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/** Bytes of a value as JSON, nearly: without making the text, and without what escapes add. */
export function jsonBytesAbout(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return 5;
  let bytes = 2;
  if (Array.isArray(value)) {
    for (const one of value) bytes += jsonBytesAbout(one) + 1;
    return bytes;
  }
  for (const key in value) bytes += key.length + 4 + jsonBytesAbout((value as Record<string, unknown>)[key]);
  return bytes;
}

type Check = (value: unknown) => boolean;

/** What real messages go through: JSON there and back, and the contract's schemas. For small networks. */
export class MessageWire {
  readonly #checks = new Map<TSchema, Check>();

  carry(contract: Contract, operation: string, part: 'input' | 'output', value: unknown): unknown {
    const schema = contract.operations[operation]?.[part];
    const text = JSON.stringify(value);
    const carried: unknown = text === undefined ? undefined : JSON.parse(text);
    if (schema === undefined || !this.#checkOf(schema)(carried)) {
      throw new RonError('bad_request', `${contract.name}.${operation}: the ${part} does not match the contract`);
    }
    return carried;
  }

  #checkOf(schema: TSchema): Check {
    let check = this.#checks.get(schema);
    if (check === undefined) {
      const compiled = Compile(schema);
      check = (value) => compiled.Check(value);
      this.#checks.set(schema, check);
    }
    return check;
  }
}
