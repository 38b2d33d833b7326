import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { expect, test } from 'vitest';
import { fieldFaults, type SchemaFault } from './fault-text.ts';

const schema = Type.Object(
  {
    count: Type.Integer({ minimum: 1, maximum: 5 }),
    note: Type.Optional(Type.String({ minLength: 2, maxLength: 3 })),
    address: Type.Optional(Type.String({ pattern: '^b3:[0-9a-f]{64}$' })),
    word: Type.Optional(Type.String({ pattern: '^[a-z]+$' })),
    durability: Type.Optional(Type.Union([Type.Literal('memory'), Type.Literal('fsync')])),
    either: Type.Optional(Type.Union([Type.String(), Type.Integer()])),
    list: Type.Optional(Type.Array(Type.String({ maxLength: 2 }), { minItems: 1, maxItems: 2 })),
    flag: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
const compiled = Compile(schema);

function said(value: unknown, max = 8): string[] {
  const faults = [...compiled.Errors(value)] as unknown as SchemaFault[];
  return fieldFaults(faults, value, max).map(({ field, fault }) => `${field} ${fault}`);
}

test.each([
  [{}, '/count is missing'],
  [{ count: 0 }, '/count is 0; it must be at least 1'],
  [{ count: 6 }, '/count is 6; it may be at most 5'],
  [{ count: 1.5 }, '/count is 1.5; it must be a whole number'],
  [{ count: 'secret' }, '/count is a string; it must be a whole number'],
  [{ count: 1, note: 'x' }, '/note has 1 characters; it must have at least 2'],
  [{ count: 1, note: 'äöüß' }, '/note has 4 characters; it may have at most 3'],
  [{ count: 1, address: 'secret' }, '/address is no address: "b3:" and 64 lower-case hex digits'],
  [{ count: 1, word: 'A' }, '/word does not have the form ^[a-z]+$'],
  [{ count: 1, durability: 'secret' }, '/durability must be one of "memory", "fsync"'],
  [{ count: 1, either: true }, '/either has none of the forms that it may have'],
  [{ count: 1, list: [] }, '/list has 0 items; it must have at least 1'],
  [{ count: 1, list: ['a', 'b', 'c'] }, '/list has 3 items; it may have at most 2'],
  [{ count: 1, list: ['long'] }, '/list/0 has 4 characters; it may have at most 2'],
  [{ count: 1, flag: null }, '/flag is null; it must be true or false'],
  [{ count: 1, other: 1 }, '/ has unknown fields: other'],
  [[], '/ is a list; it must be an object'],
])('%j: %s', (value, text) => {
  expect(said(value)).toEqual([text]);
});

test('no more than asked for, and never the text that was wrong', () => {
  const value = { count: 'secret', note: 's', durability: 'secret', address: 'secret', secretly: 1 };
  expect(said(value, 3)).toHaveLength(3);
  expect(said({ ...value, secretly: undefined }).join()).not.toMatch(/secret(?!ly)/);
});
