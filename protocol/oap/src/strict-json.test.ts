import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from './limits.ts';
import { parseStrictJson, parseStrictObject } from './strict-json.ts';

const bounds = { bytesMax: 1_000_000 };
const utf8 = (text: string) => new TextEncoder().encode(text);

/** Objects in an array that have so many items in all; an odd one out is a number. */
function nested(count: number): string {
  const objects = Array.from({ length: count >> 1 }, (_, at) => `{"k${at}":1}`);
  return [...objects, ...(count % 2 === 1 ? ['1'] : [])].join(',');
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof RonError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('parseStrictJson', () => {
  it('refuses malformed text without quoting it anywhere: it may be a secret', () => {
    for (const text of ['ronr_canary', '{"refresh_token":"canary}', '{"secret":"canary"} x', '["canary"']) {
      try {
        parseStrictJson(text, bounds);
        expect.unreachable();
      } catch (error) {
        const { message, cause } = error as RonError;
        expect(`${message} ${String(cause)} ${JSON.stringify((error as RonError).details)}`).not.toContain('canary');
        expect((error as RonError).code).toBe('bad_request');
      }
    }
  });

  it('reads what JSON.stringify wrote, from text and bytes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        fc.pre(text.isWellFormed() && !text.includes('__proto__') && !/\\ud[89a-f]/.test(text));
        const expected = JSON.parse(text);
        expect(parseStrictJson(text, bounds)).toEqual(expected);
        expect(parseStrictJson(utf8(text), bounds)).toEqual(expected);
      }),
    );
  });

  it('finds a duplicate key wherever it is, also when it is escaped', () => {
    const keyed = fc.record({ before: fc.jsonValue(), after: fc.jsonValue(), key: fc.string({ unit: 'grapheme' }) });
    fc.assert(
      fc.property(keyed, ({ before, after, key }) => {
        fc.pre(key !== '__proto__');
        const escaped = [...key]
          .map((c) => [...Array(c.length).keys()].map((i) => unicodeEscape(c, i)).join(''))
          .join('');
        const text = `[{"x":[${JSON.stringify(before)}],"o":{${JSON.stringify(key)}:1,"${escaped}":${JSON.stringify(after)}}}]`;
        expect(codeOf(() => parseStrictJson(text, { ...bounds, depthMax: 64 }))).toBe('bad_request');
      }),
    );
  });

  it.each([
    ['{"a":1,"a":1}'],
    ['{"a":1,"\\u0061":2}'],
    ['{"__proto__":{}}'],
    ['{"\\u005f_proto__":{}}'],
    ['[1e309]'],
    ['{"a":-1e400}'],
    ['"\\ud800"'],
    ['{"\\udc00":1}'],
    ['\ufeff{}'],
    [''],
    ['{"a":1'],
    ['{"a":"\\"}'],
    ['"open'],
    ['"open\\"'],
    ["{'a':1}"],
    ['[1,]'],
    ['NaN'],
    ['{"a":1}}'],
    [']'],
  ])('refuses %s', (text) => {
    expect(codeOf(() => parseStrictJson(text, bounds))).toBe('bad_request');
    expect(codeOf(() => parseStrictJson(utf8(text), bounds))).toBe('bad_request');
  });

  it('refuses bytes that are not UTF-8 and a string with a lone surrogate', () => {
    expect(codeOf(() => parseStrictJson(new Uint8Array([0x22, 0xff, 0x22]), bounds))).toBe('bad_request');
    expect(codeOf(() => parseStrictJson(new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), bounds))).toBe('bad_request');
    expect(codeOf(() => parseStrictJson('"\ud800"', bounds))).toBe('bad_request');
  });

  it('accepts quotes, colons and brackets inside strings', () => {
    const value = { 'a:"\\': '{[:"\\', b: ['\\\\"', { c: ':::' }] };
    expect(parseStrictJson(JSON.stringify(value), bounds)).toEqual(value);
  });

  describe.each([
    [
      'members of one object',
      (count: number) => `{${Array.from({ length: count }, (_, at) => `"k${at}":1`).join(',')}}`,
    ],
    ['entries', (count: number) => `[${Array.from({ length: count }, () => 1).join(',')}]`],
    ['objects of one member, each an item itself', (count: number) => `{"a":[${nested(count - 1)}]}`],
  ])('%s', (_name, textOf) => {
    it.each([-1, 0, 1])('are bounded at jsonItemsMax %i, before they are parsed', (delta) => {
      const text = textOf(limits.jsonItemsMax + delta);
      expect(codeOf(() => parseStrictJson(text, bounds))).toBe(delta > 0 ? 'bad_request' : 'accepted');
      expect(codeOf(() => parseStrictJson(text, { ...bounds, itemsMax: 1e9 }))).toBe('accepted');
      if (delta > 0) expect(codeOf(() => parseStrictJson(text.slice(0, -1), bounds))).toBe('bad_request');
    });
  });

  it.each([-1, 0, 1])('bounds the depth at jsonDepthMax %i', (delta) => {
    const depth = limits.jsonDepthMax + delta;
    const expected = delta > 0 ? 'bad_request' : 'accepted';
    expect(codeOf(() => parseStrictJson('['.repeat(depth) + ']'.repeat(depth), bounds))).toBe(expected);
    expect(codeOf(() => parseStrictJson(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`, bounds))).toBe(expected);
  });

  it('refuses depth 100,000 without running out of stack', () => {
    expect(codeOf(() => parseStrictJson('['.repeat(100_000), bounds))).toBe('bad_request');
  });

  it.each([-1, 0, 1])('bounds the bytes at the limit %i, counting UTF-8', (delta) => {
    const text = JSON.stringify('é'.repeat(20) + 'x'.repeat(10));
    const bytesMax = utf8(text).length - delta;
    const expected = delta > 0 ? 'payload_too_large' : 'accepted';
    expect(codeOf(() => parseStrictJson(text, { bytesMax }))).toBe(expected);
    expect(codeOf(() => parseStrictJson(utf8(text), { bytesMax }))).toBe(expected);
  });

  it('says which text must be an object', () => {
    expect(parseStrictObject('{"a":null}', bounds)).toEqual({ a: null });
    for (const text of ['[]', 'null', '1', '"a"', 'true']) {
      expect(codeOf(() => parseStrictObject(text, bounds))).toBe('bad_request');
    }
  });
});

function unicodeEscape(text: string, at: number): string {
  return `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
}
