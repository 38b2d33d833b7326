import type { HttpRequest } from '@ron/kernel';
import type { HttpRoute, Operation } from '@ron/proto/contract';
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { fieldReadersOf } from './fields.ts';

const operation: Operation = {
  summary: '',
  input: Type.Object({
    path: Type.String(),
    count: Type.Integer(),
    fresh: Type.Boolean(),
    range: Type.String(),
    head: Type.Boolean(),
  }),
  output: Type.Object({}),
  errors: [],
  scopes: [],
};
const route: HttpRoute = {
  method: 'GET',
  path: '/n/*path',
  query: ['count', 'fresh', 'other'],
  headers: { range: 'range' },
  fixed: { head: true },
  reply: 'json',
};
const read = (params: Record<string, string | undefined>, query: string, headers: Record<string, string> = {}) =>
  fieldReadersOf(operation, route, 'path')({ headers } as never, params, query);

test('path, query and headers become fields of the types that the schema has', () => {
  expect(read({ '*': 'a/b' }, 'count=7&fresh=1&other=x', { range: 'bytes=0-1', accept: 'x' })).toEqual({
    head: true,
    path: 'a/b',
    count: 7,
    fresh: true,
    other: 'x',
    range: 'bytes=0-1',
  });
  expect(read({ '*': undefined }, 'fresh=false')).toEqual({ head: true, fresh: false });
});

test('a header wins over the query: who resumes a stream keeps the URL and says in a header how far it has come', () => {
  const both = { ...route, query: ['range'] };
  const reader = fieldReadersOf(operation, both, 'path');
  expect(reader({ headers: { range: 'later' } } as never, {}, 'range=first')).toMatchObject({ range: 'later' });
  expect(reader({ headers: {} } as never, {}, 'range=first')).toMatchObject({ range: 'first' });
});

test('what is no number or no truth value stays text, for the schema to refuse', () => {
  for (const text of ['1e3', '-1', ' 1', '', '1.5', '0x10', '12345678901234567']) {
    expect(read({}, `count=${encodeURIComponent(text)}`)['count']).toBe(text);
  }
  expect(read({}, 'fresh=yes')['fresh']).toBe('yes');
});

test('unknown and repeated query parameters are refused, also those with names of objects', () => {
  for (const query of ['more=1', 'count=1&count=2', '__proto__=1', 'constructor=1', 'head=false']) {
    expect(() => read({}, query)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  }
});

test('one request leaves nothing for the next', () => {
  const reader = fieldReadersOf(operation, route, 'path');
  const request = { headers: {} } as HttpRequest;
  reader(request, {}, 'count=7')['extra'] = 1;
  expect(reader(request, {}, '')).toEqual({ head: true });
});

test('an operation whose input is no plain object reads everything as text', () => {
  const reader = fieldReadersOf(
    { ...operation, input: Type.Any() },
    { ...route, fixed: undefined } as never,
    undefined,
  );
  expect(reader({ headers: {} } as HttpRequest, { id: '5' }, '')).toEqual({ id: '5' });
});
