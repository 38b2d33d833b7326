import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatContentRange, parseContentRange } from './content-range.ts';
import { deltaSecondsMax, parseAge, parseDeltaSeconds } from './delta-seconds.ts';
import { namesOf, parseDirectives, secondsOf } from './directives.ts';
import { isStrong, matchesStrongly, matchesWeakly, parseEtagList } from './etag.ts';
import { formatHttpDate, parseHttpDate } from './http-date.ts';
import { splitList, unquote } from './list.ts';
import { coalesceRanges, parseRange, rangesMax, resolveRanges } from './range.ts';
import { parseDictionary } from './structured-dictionary.ts';

const now = Date.UTC(2026, 0, 1);

describe('lists (RFC 9110, 5.6.1)', () => {
  test.each([
    ['a, b', ['a', 'b']],
    [' a ,\t,b,', ['a', 'b']],
    ['a="x, y", b', ['a="x, y"', 'b']],
    ['a="x\\", y", b', ['a="x\\", y"', 'b']],
    ['a="open, b', ['a="open, b']],
    ['', []],
  ])('%j', (text, members) => expect(splitList(text)).toEqual(members));

  test('quoted strings (5.6.4)', () => {
    expect(unquote('"a\\"b"')).toBe('a"b');
    expect(unquote("'a'")).toBeUndefined();
    expect(unquote('"a')).toBeUndefined();
  });
});

describe('delta-seconds (RFC 9111, 1.2.2)', () => {
  test.each([
    ['0', 0],
    ['003600', 3600],
    ['2147483647', 2147483647],
    ['2147483648', deltaSecondsMax],
    ['99999999999999999999', deltaSecondsMax],
    ['-1', undefined],
    ['1.0', undefined],
    ['', undefined],
    ['1a', undefined],
  ])('%s', (text, seconds) => expect(parseDeltaSeconds(text)).toBe(seconds));

  test.each([
    ['7200, 0', 7200],
    ['0, 7200', 0],
    ['abc', 0],
    ['-5', 0],
    ['7200.0', 0],
    ['7200;a=b', 0],
    [undefined, 0],
  ])('Age %s (5.1)', (line, seconds) => expect(parseAge(line)).toBe(seconds));
});

describe('directives (RFC 9111, 5.2)', () => {
  const seconds = (value: string) => secondsOf(parseDirectives(value), 'max-age');

  test.each([
    ['max-age=60', 60],
    ['MaX-aGe=60', 60],
    ['max-age="60"', 60],
    ["max-age='60'", 'invalid'],
    ['max-age=1, max-age=60', 1],
    ['extension="max-age=60", max-age=1', 1],
    ['max-age=-1', 'invalid'],
    ['max-age=1.5', 'invalid'],
    ['max-age', 'invalid'],
    ['max-age =60', 'invalid'],
    ['max-age= 60', 'invalid'],
    ['public', undefined],
  ])('%s', (value, expected) => expect(seconds(value)).toBe(expected));

  test('a qualified directive names fields, an unqualified one none', () => {
    expect(namesOf(parseDirectives('no-cache="A, b"'), 'no-cache')).toEqual(['a', 'b']);
    expect(namesOf(parseDirectives('no-cache'), 'no-cache')).toEqual([]);
    expect(namesOf(parseDirectives('private=a'), 'private')).toEqual(['a']);
    expect(namesOf(parseDirectives('public'), 'private')).toBeUndefined();
  });

  test('any text is taken, and what is written is read', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseDirectives(text).size >= 0));
    const name = fc.stringMatching(/^[a-z][a-z-]{0,10}$/);
    fc.assert(
      fc.property(name, fc.string(), (directive, argument) => {
        const quoted = `"${argument.replace(/["\\]/g, '\\$&')}"`;
        expect(parseDirectives(`x , ${directive.toUpperCase()}=${quoted},`).get(directive)?.argument).toBe(
          directive === 'x' ? true : argument,
        );
      }),
    );
  });
});

describe('dates (RFC 9110, 5.6.7)', () => {
  const moment = Date.UTC(1994, 10, 6, 8, 49, 37);

  test.each([
    ['Sun, 06 Nov 1994 08:49:37 GMT', moment],
    ['SUN, 06 nov 1994 08:49:37 gmt', moment],
    ['Sunday, 06-Nov-94 08:49:37 GMT', moment],
    ['Sun Nov  6 08:49:37 1994', moment],
    ['Thursday, 18-Aug-50 02:01:18 GMT', Date.UTC(2050, 7, 18, 2, 1, 18)],
    ['Friday, 01-Jan-77 00:00:00 GMT', Date.UTC(1977, 0, 1)],
    ['Thursday, 01-Jan-76 00:00:00 GMT', Date.UTC(2076, 0, 1)],
    ['Sat, 29 Feb 2020 00:00:00 GMT', Date.UTC(2020, 1, 29)],
    ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2017, 0, 1)],
  ])('%s', (text, ms) => expect(parseHttpDate(text, now)).toBe(ms));

  test.each([
    '0',
    '-1',
    '',
    'Sun, 06 Nov 1994 08:49:37 UTC',
    'Sun, 06 Nov 94 08:49:37 GMT',
    'Sun 06 Nov 1994 08:49:37 GMT',
    'Sun, 06  Nov  1994 08:49:37 GMT',
    'Sun, 06-Nov-1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08.49.37 GMT',
    'Sun, 06 Nov 1994 8:49:37 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT',
    'Sat, 29 Feb 2021 00:00:00 GMT',
    'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:38 GMT',
  ])('%j is none', (text) => expect(parseHttpDate(text, now)).toBeUndefined());

  test('what is written is read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253402300799 }), (seconds) => {
        expect(parseHttpDate(formatHttpDate(seconds * 1000), now)).toBe(seconds * 1000);
      }),
    );
  });
});

describe('dictionaries (RFC 9651)', () => {
  test('items of each kind, parameters dropped, the last of a key counts', () => {
    const members = parseDictionary('a=1;x=2, b, c="s\\"", d=tok/en, e=(1 2);q, f=?0, g=1.5, h=:aGk=:, a=-2');
    expect([...(members ?? [])]).toEqual([
      ['b', { kind: 'boolean', value: true }],
      ['c', { kind: 'string', value: 's"' }],
      ['d', { kind: 'token', value: 'tok/en' }],
      ['e', { kind: 'list' }],
      ['f', { kind: 'boolean', value: false }],
      ['g', { kind: 'decimal', value: 1.5 }],
      ['h', { kind: 'bytes', value: ':aGk=:' }],
      ['a', { kind: 'integer', value: -2 }],
    ]);
  });

  test.each(['A=1', 'a =1', 'a= 1', 'a=1,', 'a=1, &&&', "a='x'", 'a=(1', 'a=1 b', 'a=1234567890123456'])(
    '%j does not parse',
    (text) => expect(parseDictionary(text)).toBeUndefined(),
  );

  test('any text is taken or refused, never thrown on', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseDictionary(text) !== null));
  });
});

describe('entity tags (RFC 9110, 8.8.3)', () => {
  // The table of 8.8.3.2.
  test.each([
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
  ])('%s and %s', (a, b, strongly, weakly) => {
    expect(matchesStrongly(a, b)).toBe(strongly);
    expect(matchesWeakly(a, b)).toBe(weakly);
  });

  test('lists keep commas inside tags', () => {
    expect(parseEtagList('"a,b", W/"c" ,"d"')).toEqual(['"a,b"', 'W/"c"', '"d"']);
    expect(parseEtagList('abc, "d"')).toEqual(['abc', '"d"']);
    expect(isStrong('abc')).toBe(false);
  });
});

describe('ranges (RFC 9110, 14)', () => {
  const resolved = (field: string, total: number) => {
    const asked = parseRange(field);
    return asked === undefined ? 'ignored' : resolveRanges(asked, total).map(({ first, last }) => `${first}-${last}`);
  };

  test.each([
    ['bytes=0-4', ['0-4']],
    ['bytes=5-', ['5-9']],
    ['bytes=-3', ['7-9']],
    ['bytes=-30', ['0-9']],
    ['bytes=9-20', ['9-9']],
    ['bytes=10-', []],
    ['bytes=-0', []],
    ['bytes=0-0, -1', ['0-0', '9-9']],
    ['BYTES=0-4', ['0-4']],
    ['bytes=4-2', 'ignored'],
    ['bytes=-', 'ignored'],
    ['bytes=a-b', 'ignored'],
    ['bytes=', 'ignored'],
    ['lines=0-4', 'ignored'],
    ['bytes=0-4=', 'ignored'],
  ])('%s', (field, ranges) => expect(resolved(field, 10)).toEqual(ranges));

  test('nothing of an empty representation is satisfiable', () => {
    expect(resolved('bytes=0-', 0)).toEqual([]);
    expect(resolved('bytes=-1', 0)).toEqual([]);
  });

  test.each([
    [rangesMax - 1, true],
    [rangesMax, true],
    [rangesMax + 1, false],
  ])('%i parts', (count, taken) => {
    expect(parseRange(`bytes=${Array.from({ length: count }, () => '0-0').join(',')}`) !== undefined).toBe(taken);
  });

  test('overlapping and touching parts become one', () => {
    const ranges = [
      { first: 5, last: 9 },
      { first: 0, last: 2 },
      { first: 3, last: 6 },
    ];
    expect(coalesceRanges(ranges)).toEqual([{ first: 0, last: 9 }]);
  });

  test.each([
    ['bytes 0-4/10', { first: 0, last: 4, total: 10 }],
    ['bytes 0-4/*', { first: 0, last: 4, total: undefined }],
    ['bytes 4-0/10', undefined],
    ['bytes 0-10/10', undefined],
    ['bytes */10', undefined],
    ['lines 0-4/10', undefined],
    [undefined, undefined],
  ])('Content-Range %s (14.4)', (text, expected) => {
    expect(parseContentRange(text)).toEqual(expected);
    if (expected !== undefined) expect(formatContentRange(expected)).toBe(text);
  });
});
