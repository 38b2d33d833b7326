import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fields } from '../fields/fields.ts';
import { formatHttpDate } from '../fields/http-date.ts';
import { formatCacheStatus } from './cache-status.ts';
import { isNotModified, passesIfRange, validatorLines } from './conditions.ts';
import { endToEnd, endToEndLines, withoutNamed } from './end-to-end.ts';
import { agreesWithHead, chooseFreshened, mergeFields } from './freshen.ts';
import { invalidatedTargets } from './invalidation.ts';
import { addRange, covers, missingRanges } from './parts.ts';
import { readPolicy } from './policy.ts';
import { type Candidate, refusalOf } from './storability.ts';
import { isPreferredLanguage, selectingKey, selectingNames } from './vary.ts';

const wallMs = Date.UTC(2026, 0, 1);
const at = (seconds: number) => formatHttpDate(wallMs + seconds * 1000);

describe('what is stored (RFC 9111, 3)', () => {
  const refusal = (response: Fields, changes: Partial<Candidate> = {}) =>
    refusalOf({
      method: 'GET',
      uri: '/a',
      request: {},
      requestNoStore: false,
      status: 200,
      response,
      policy: readPolicy(response),
      wallMs,
      contentLocation: undefined,
      ...changes,
    });
  const hour = { 'cache-control': 'max-age=3600' };
  const cc = (value: string) => ({ 'cache-control': value });

  test.each<[string, Fields, Partial<Candidate>, string | undefined]>([
    ['explicit lifetime', hour, {}, undefined],
    ['explicit lifetime of any final status', hour, { status: 599 }, undefined],
    ['interim', hour, { status: 103 }, 'interim'],
    ['HEAD', hour, { method: 'HEAD' }, 'method'],
    ['PUT', hour, { method: 'PUT' }, 'method'],
    ['POST', hour, { method: 'POST' }, 'method'],
    ['POST that is the resource (RFC 9110, 9.3.3)', hour, { method: 'POST', contentLocation: '/a' }, undefined],
    ['POST that is another', hour, { method: 'POST', contentLocation: '/b' }, 'method'],
    ['POST without a lifetime', { etag: '"a"' }, { method: 'POST', contentLocation: '/a' }, 'method'],
    ['no-store (5.2.2.5)', cc('max-age=60, No-Store'), {}, 'no-store'],
    ['no-store of the request (5.2.1.5)', hour, { requestNoStore: true }, 'no-store'],
    ['no-store, must-understand (5.2.2.3)', cc('max-age=60, no-store, must-understand'), {}, undefined],
    ['must-understand, unknown status', cc('max-age=60, no-store, must-understand'), { status: 599 }, 'status'],
    ['private (5.2.2.7)', cc('private, max-age=60'), {}, 'private'],
    ['private for a field', cc('private="a", max-age=60'), {}, undefined],
    ['Authorization (3.5)', hour, { request: { authorization: 'x' } }, 'authorization'],
    ['… with public', cc('max-age=60, public'), { request: { authorization: 'x' } }, undefined],
    ['… with must-revalidate', cc('max-age=60, must-revalidate'), { request: { authorization: 'x' } }, undefined],
    ['… with s-maxage', cc('s-maxage=60'), { request: { authorization: 'x' } }, undefined],
    ['Vary * (4.1)', { ...hour, vary: 'a, *' }, {}, 'vary'],
    ['Vary * on a second line', { ...hour, vary: ['', '*'] }, {}, 'vary'],
    ['no lifetime, status that needs one', { 'last-modified': at(-9999) }, { status: 403 }, 'no-lifetime'],
    ['no lifetime, but public', { 'last-modified': at(-9999), ...cc('public') }, { status: 403 }, undefined],
    ['no lifetime, only a validator', { etag: '"a"' }, {}, undefined],
    ['neither lifetime nor validator', {}, {}, 'useless'],
    ['max-age=0 without a validator', cc('max-age=0'), {}, 'useless'],
    ['304', hour, { status: 304 }, 'status'],
    ['Set-Cookie does not forbid it (7.3)', { ...hour, 'set-cookie': 'a=b' }, {}, undefined],
    [
      'CDN-Cache-Control over no-store (RFC 9213)',
      { ...cc('no-store'), 'cdn-cache-control': 'max-age=9' },
      {},
      undefined,
    ],
    ['CDN-Cache-Control: private', { ...hour, 'cdn-cache-control': 'private' }, {}, 'private'],
  ])('%s', (_name, response, changes, expected) => expect(refusal(response, changes)).toBe(expected));
});

describe('what goes no further (RFC 9110, 7.6.1; RFC 9111, 3.1)', () => {
  test('hop-by-hop fields, those that Connection names, and those of proxies', () => {
    const passed = endToEnd({
      connection: 'a, B',
      a: '1',
      b: '2',
      c: '3',
      'keep-alive': 'x',
      'proxy-authenticate': 'x',
      'transfer-encoding': 'chunked',
      upgrade: 'x',
      'set-cookie': ['a=1', 'b=2'],
    });
    expect(passed).toEqual({ c: '3', 'set-cookie': ['a=1', 'b=2'] });
  });

  test('lines of a request keep their order, their repetition and their letters', () => {
    const lines = ['X-A', '1', 'Connection', 'X-B, host', 'x-b', '2', 'X-A', '3', 'TE', 'trailers', 'Host', 'h'];
    expect(endToEndLines(lines, new Set())).toEqual(['X-A', '1', 'X-A', '3', 'Host', 'h']);
    expect(endToEndLines(lines, new Set(['x-a']))).toEqual(['Host', 'h']);
  });

  test('fields that a qualified private or no-cache names', () => {
    expect(withoutNamed({ a: '1', b: '2', c: '3' }, ['a'], undefined, ['c'])).toEqual({ b: '2' });
  });
});

describe('selecting (RFC 9111, 4.1)', () => {
  const same = (vary: string | string[], a: Fields, b: Fields) => {
    const names = selectingNames({ vary });
    return selectingKey(names, a) === selectingKey(names, b);
  };
  test.each<[string, string | string[], Fields, Fields, boolean]>([
    ['equal', 'foo', { foo: '1' }, { foo: '1' }, true],
    ['different', 'foo', { foo: '1' }, { foo: '2' }, false],
    ['absent is not empty', 'foo', { foo: '' }, {}, false],
    ['both absent', 'foo, bar', { bar: '1' }, { bar: '1' }, true],
    ['names in any case, on any line', ['Foo', 'BAR'], { foo: '1', bar: '2' }, { bar: '2', foo: '1' }, true],
    ['other fields do not count', 'foo', { foo: '1', x: '1' }, { foo: '1', x: '2' }, true],
    ['space around members', 'foo', { foo: '1,2' }, { foo: ' 1 , 2 ' }, true],
    ['order of an unknown list', 'foo', { foo: '1,2' }, { foo: '2,1' }, false],
    ['order of languages', 'accept-language', { 'accept-language': 'en, de' }, { 'accept-language': 'De,en' }, true],
    ['weights', 'accept-language', { 'accept-language': 'en;q=1.0' }, { 'accept-language': 'en' }, true],
    ['different weights', 'accept-language', { 'accept-language': 'en;q=0.5' }, { 'accept-language': 'en' }, false],
    ['cookies are no list', 'cookie', { cookie: 'a=1, 2' }, { cookie: 'a=1,2' }, false],
  ])('%s', (_name, vary, a, b, expected) => expect(same(vary, a, b)).toBe(expected));

  test.each([
    ['fr;q=0.5, de;q=1.0', 'de', true],
    ['fr, de', 'de', false],
    ['fr;q=0.5, de;q=0.4', 'de', false],
    ['de', 'de, en', false],
    ['de;q=0', 'de', false],
    ['de;q=x', 'de', false],
  ])('%s is best served with %s: %s', (accepted, content, expected) => {
    expect(isPreferredLanguage({ 'accept-language': accepted }, { 'content-language': content })).toBe(expected);
  });
});

describe('conditions of a client (RFC 9111, 4.3.2)', () => {
  const stored = { etag: '"a"', 'last-modified': at(-100), date: at(0) };
  test.each<[string, Fields, Fields, boolean]>([
    ['none', {}, stored, false],
    ['its tag', { 'if-none-match': '"x", "a"' }, stored, true],
    ['its tag, weakly', { 'if-none-match': 'W/"a"' }, stored, true],
    ['another tag', { 'if-none-match': '"b"' }, stored, false],
    ['any tag', { 'if-none-match': '*' }, stored, true],
    ['a tag decides over a date', { 'if-none-match': '"b"', 'if-modified-since': at(0) }, stored, false],
    ['its date', { 'if-modified-since': at(-100) }, stored, true],
    ['an earlier date', { 'if-modified-since': at(-101) }, stored, false],
    ['a later date', { 'if-modified-since': at(-50) }, stored, true],
    ['no date', { 'if-modified-since': 'x' }, stored, false],
    ['without Last-Modified its Date', { 'if-modified-since': at(0) }, { date: at(0) }, true],
    ['without Last-Modified an earlier one', { 'if-modified-since': at(-1) }, { date: at(0) }, false],
  ])('%s', (_name, request, fields, expected) => expect(isNotModified(request, fields, wallMs, wallMs)).toBe(expected));

  test.each<[string, Fields, Fields, boolean]>([
    ['none', {}, stored, true],
    ['the strong tag', { 'if-range': '"a"' }, stored, true],
    ['a weak tag', { 'if-range': 'W/"a"' }, { ...stored, etag: 'W/"a"' }, false],
    ['the date', { 'if-range': at(-100) }, stored, true],
    ['a later date', { 'if-range': at(-50) }, stored, false],
    ['a date of the same second', { 'if-range': at(0) }, { 'last-modified': at(0), date: at(0) }, false],
  ])('If-Range: %s (RFC 9110, 13.1.5)', (_name, request, fields, expected) =>
    expect(passesIfRange(request, fields, wallMs)).toBe(expected),
  );

  test('what the origin is asked with (4.3.1)', () => {
    expect(validatorLines([stored])).toEqual(['if-none-match', '"a"', 'if-modified-since', at(-100)]);
    expect(validatorLines([stored, { etag: 'W/"b"' }])).toEqual(['if-none-match', '"a", W/"b"']);
    expect(validatorLines([{}])).toEqual([]);
  });
});

describe('freshening (RFC 9111, 3.2, 4.3.4 and 4.3.5)', () => {
  test('newer fields replace stored ones, but for those of the body', () => {
    const stored = { a: '1', b: '2', 'content-length': '5', 'set-cookie': ['x=1'] };
    const newer = { a: '3', 'content-length': '0', 'content-range': 'x', 'set-cookie': ['x=2', 'y=1'] };
    expect(mergeFields(stored, newer)).toEqual({ a: '3', b: '2', 'content-length': '5', 'set-cookie': ['x=2', 'y=1'] });
  });

  const a = { etag: '"a"' };
  const b = { etag: 'W/"b"', 'last-modified': at(0) };
  test.each<[string, Fields[], Fields, Fields | undefined]>([
    ['the one with the strong validator', [b, a], { etag: '"a"' }, a],
    ['not one with a weak form of it', [{ etag: 'W/"a"' }], { etag: '"a"' }, undefined],
    ['the one with the weak validator', [a, b], { etag: 'W/"b"' }, b],
    ['the one with the date', [a, b], { 'last-modified': at(0) }, b],
    ['none with another date', [b], { 'last-modified': at(9) }, undefined],
    ['the only one that was asked about', [a], {}, a],
    ['none of several without a validator', [a, b], {}, undefined],
  ])('%s', (_name, nominated, answer, expected) =>
    expect(chooseFreshened(nominated, (fields) => fields, answer)).toBe(expected),
  );

  test.each<[string, Fields, boolean]>([
    ['nothing said', {}, true],
    ['the same tag and length', { etag: '"a"', 'content-length': '5' }, true],
    ['another tag', { etag: '"b"' }, false],
    ['another date', { 'last-modified': at(1) }, false],
    ['another length', { 'content-length': '6' }, false],
  ])('a HEAD with %s', (_name, head, expected) => expect(agreesWithHead(a, 5, head)).toBe(expected));
});

describe('invalidation (RFC 9111, 4.4)', () => {
  const of = (method: string, status: number, response: Fields = {}) =>
    invalidatedTargets(method, '/a/b?c', status, response, ['edge:8080', 'origin.example']);
  test.each<[string, string[], string[]]>([
    ['by success of unsafe and of unknown methods', [...of('POST', 200), ...of('M-SEARCH', 302)], ['/a/b?c', '/a/b?c']],
    ['not by failure', of('PUT', 500), []],
    ['not by safe methods', of('PROPFIND', 207), []],
    [
      'Location and Content-Location',
      of('PUT', 201, { location: 'x', 'content-location': '/y?z' }),
      ['/a/b?c', '/a/x', '/y?z'],
    ],
    ['of the same origin by either name', of('PUT', 201, { location: 'http://ORIGIN.example:80/x' }), ['/a/b?c', '/x']],
    ['not of another origin', of('PUT', 201, { location: 'http://other/x' }), ['/a/b?c']],
    ['not of another port', of('PUT', 201, { location: 'http://edge:81/x' }), ['/a/b?c']],
    ['nothing that is no URL', of('PUT', 201, { location: 'http://[' }), ['/a/b?c']],
  ])('%s', (_name, targets, expected) => expect(targets).toEqual(expected));
});

describe('parts (RFC 9111, 3.4)', () => {
  const range = fc.tuple(fc.nat(60), fc.nat(20)).map(([first, length]) => ({ first, last: first + length }));
  test('what is held and what is missing make the whole, and never overlap', () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), range, (added, wanted) => {
        const held = added.reduce(addRange, [] as { first: number; last: number }[]);
        const bytes = new Set(added.flatMap(({ first, last }) => numbers(first, last)));
        expect(new Set(held.flatMap(({ first, last }) => numbers(first, last)))).toEqual(bytes);
        const lacking = numbers(wanted.first, wanted.last).filter((at) => !bytes.has(at));
        expect(missingRanges(held, wanted).flatMap(({ first, last }) => numbers(first, last))).toEqual(lacking);
        expect(covers(held, wanted)).toBe(lacking.length === 0);
        for (const [i, { first }] of held.entries()) expect(first).toBeGreaterThan((held[i - 1]?.last ?? -2) + 1);
      }),
    );
  });
});

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

test('Cache-Status stands behind that of caches nearer to the origin (RFC 9211, 2)', () => {
  expect(formatCacheStatus({ hit: true, ttl: 9.7 }, 'inner; hit')).toBe('inner; hit, ron-edge; hit; ttl=9');
  const miss = { forward: 'uri-miss', forwardStatus: 200, stored: true, collapsed: true } as const;
  expect(formatCacheStatus(miss, undefined)).toBe('ron-edge; fwd=uri-miss; fwd-status=200; stored; collapsed');
});
