import { Type } from 'typebox';
import { beforeAll, expect, test } from 'vitest';
import { loadCompiler, validatorOf } from './validators.ts';

beforeAll(loadCompiler);

const strings = validatorOf(Type.Object({ list: Type.Array(Type.String()) }, { additionalProperties: false }));
const wrong = (items: number) => ({ list: Array(items).fill(1) });
const fieldsOf = (value: unknown) => (strings.refusal(value, 'it').details as { fields: unknown[] }).fields;

test('up to 4,096 entries the faults are named, eight at most; past that only that there are some', () => {
  expect(fieldsOf(wrong(4_094))).toHaveLength(8);
  expect(fieldsOf(wrong(4_095))).toHaveLength(8);
  expect(fieldsOf(wrong(4_096))).toEqual([]);
  expect(strings.refusal(wrong(4_096), 'it').message).toMatch(/too large to say where/);
  expect(
    fieldsOf({ list: [], ...Object.fromEntries(Array.from({ length: 4_096 }, (_, at) => [`k${at}`, 1])) }),
  ).toEqual([]);
});
