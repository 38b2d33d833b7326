import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fields } from '../fields/fields.ts';
import { formatHttpDate } from '../fields/http-date.ts';
import { ageSeconds, heuristicSecondsMax, initialAgeSeconds, lifetimeSeconds } from './freshness.ts';
import { operatorDefaults } from './operator-defaults.ts';
import { readPolicy } from './policy.ts';
import { readRequestDirectives } from './request-directives.ts';
import { judge, mayStandIn } from './reuse.ts';

const wallMs = Date.UTC(2026, 0, 1);
const at = (seconds: number) => formatHttpDate(wallMs + seconds * 1000);
const lifetime = (fields: Fields, status = 200) => lifetimeSeconds(status, readPolicy(fields), fields, wallMs);

describe('lifetime (RFC 9111, 4.2.1)', () => {
  const cases: [string, Fields, number][] = [
    ['s-maxage before max-age', { 'cache-control': 'max-age=1, s-maxage=60' }, 60],
    ['max-age before Expires', { 'cache-control': 'max-age=60', expires: at(-5) }, 60],
    ['an unintelligible max-age is stale', { 'cache-control': 'max-age=a', expires: at(60) }, 0],
    ['Expires minus Date', { expires: at(60), date: at(10) }, 50],
    ['Expires minus arrival without a Date', { expires: at(60) }, 60],
    ['Expires minus arrival with a Date that is none', { expires: at(60), date: 'foo' }, 60],
    ['Expires before Date', { expires: at(300), date: at(400) }, 0],
    ['Expires 0 (5.3)', { expires: '0', date: at(0) }, 0],
    ['of two Expires the first', { expires: [at(60), at(90)], date: at(0) }, 60],
    ['nothing said', {}, 0],
  ];
  test.each(cases)('%s', (_name, fields, seconds) => expect(lifetime(fields)).toBe(seconds));
});

describe('heuristic lifetime (RFC 9111, 4.2.2)', () => {
  const fields = { 'last-modified': at(-1000), date: at(0) };
  test('a tenth of the age at the time of the response, a day at most', () => {
    expect(lifetime(fields)).toBe(100);
    expect(lifetime({ 'last-modified': at(-1e9), date: at(0) })).toBe(heuristicSecondsMax);
    expect(lifetime({ 'last-modified': at(100), date: at(0) })).toBe(0);
  });
  test.each([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501])('%i', (status) =>
    expect(lifetime(fields, status)).toBe(100),
  );
  test.each([201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599])('%i has none, but with public', (status) => {
    expect(lifetime(fields, status)).toBe(0);
    expect(lifetime({ ...fields, 'cache-control': 'public' }, status)).toBe(100);
  });
});

describe('targeted control (RFC 9213)', () => {
  const cases: [string, Fields, number][] = [
    ['alone counts', { 'cdn-cache-control': 'max-age=60', 'cache-control': 'max-age=1' }, 60],
    [
      'neither Cache-Control nor Expires',
      { 'cdn-cache-control': 'foo', 'cache-control': 'max-age=9', expires: at(9) },
      0,
    ],
    ['ignored when it does not parse', { 'cdn-cache-control': 'max-age=60, &&&', 'cache-control': 'max-age=1' }, 1],
    ['ignored when a number is none', { 'cdn-cache-control': 'max-age="60"', 'cache-control': 'max-age=1' }, 1],
    ['ignored when empty', { 'cdn-cache-control': '', 'cache-control': 'max-age=1' }, 1],
    ['a negative age is stale', { 'cdn-cache-control': 'max-age=-1', 'cache-control': 'max-age=1' }, 0],
  ];
  test.each(cases)('%s', (_name, fields, seconds) => expect(lifetime(fields)).toBe(seconds));
});

describe('age (RFC 9111, 4.2.3)', () => {
  const arrival = { requestMs: 1000, responseMs: 3500, responseWallMs: wallMs };
  test.each<[string, Fields, number]>([
    ['the time that the response took', { date: at(0) }, 2.5],
    ['Age and that time', { date: at(0), age: '30' }, 32.5],
    ['the Date, when it says more', { date: at(-100), age: '30' }, 100],
    ['a Date in the future says nothing', { date: at(100) }, 2.5],
    ['of a list the first', { date: at(0), age: '7, 100' }, 9.5],
  ])('%s', (_name, fields, seconds) => expect(initialAgeSeconds(fields, arrival)).toBe(seconds));

  test('grows with time and with nothing else', () => expect(ageSeconds(10, arrival, 8500)).toBe(15));
});

const asking = (value?: string) => readRequestDirectives(value === undefined ? {} : { 'cache-control': value });
const holding = (control: string, age: number, seconds: number) => ({
  policy: readPolicy({ 'cache-control': control }),
  ageSeconds: age,
  lifetimeSeconds: seconds,
});

describe('what a stored response is good for (RFC 9111, 4 and 5.2)', () => {
  test.each([
    ['', 59.9, undefined, 'fresh'],
    ['', 60, undefined, 'validate'],
    ['no-cache', 1, undefined, 'validate'],
    ['no-cache="a"', 1, undefined, 'fresh'],
    ['', 1, 'no-cache', 'validate'],
    ['', 0, 'max-age=0', 'fresh'],
    ['', 0.1, 'max-age=0', 'validate'],
    ['', 30, 'max-age=30', 'fresh'],
    ['', 31, 'max-age=30', 'validate'],
    ['', 30, 'min-fresh=30', 'fresh'],
    ['', 30, 'min-fresh=31', 'validate'],
    ['', 70, 'max-stale', 'stale'],
    ['', 70, 'max-stale=10', 'stale'],
    ['', 71, 'max-stale=10', 'validate'],
    ['', 70, 'max-stale=x', 'validate'],
    ['must-revalidate', 70, 'max-stale', 'validate'],
    ['proxy-revalidate', 70, 'max-stale', 'validate'],
    ['s-maxage=60', 70, 'max-stale', 'validate'],
    ['stale-while-revalidate=10', 70, undefined, 'behind'],
    ['stale-while-revalidate=10', 71, undefined, 'validate'],
    ['stale-while-revalidate=10, must-revalidate', 61, undefined, 'validate'],
  ])('%s at %d s of 60, asked %s: %s', (control, age, asked, verdict) => {
    expect(judge(holding(control, age, 60), asking(asked))).toBe(verdict);
  });

  test('an unconditional answer never becomes possible again as time passes', () => {
    const order = ['fresh', 'behind', 'stale', 'validate'];
    const control = fc.constantFrom('', 'no-cache', 'must-revalidate', 'stale-while-revalidate=50');
    fc.assert(
      fc.property(control, fc.nat(1000), fc.nat(1000), fc.nat(1000), (policy, seconds, age, later) => {
        const first = judge(holding(policy, age, seconds), asking());
        const second = judge(holding(policy, age + later, seconds), asking());
        expect(order.indexOf(second)).toBeGreaterThanOrEqual(order.indexOf(first));
      }),
    );
  });

  test('Pragma counts only without Cache-Control (5.4)', () => {
    expect(readRequestDirectives({ pragma: 'no-cache' }).noCache).toBe(true);
    expect(readRequestDirectives({ pragma: 'no-cache', 'cache-control': 'x' }).noCache).toBe(false);
  });
});

describe('standing in for an origin that fails (RFC 9111, 4.2.4; RFC 5861, 4)', () => {
  test.each([
    ['', 70, undefined, true],
    ['', 60 + operatorDefaults.staleIfErrorSeconds, undefined, true],
    ['', 61 + operatorDefaults.staleIfErrorSeconds, undefined, false],
    ['stale-if-error=10', 70, undefined, true],
    ['stale-if-error=10', 71, undefined, false],
    ['must-revalidate', 61, undefined, false],
    ['proxy-revalidate', 61, undefined, false],
    ['s-maxage=60', 61, undefined, false],
    ['no-cache', 61, undefined, false],
    ['', 70, 'no-cache', false],
    ['', 70, 'max-age=60', false],
  ])('%s at %d s of 60, asked %s: %s', (control, age, asked, allowed) => {
    expect(mayStandIn(holding(control, age, 60), asking(asked))).toBe(allowed);
  });
});
