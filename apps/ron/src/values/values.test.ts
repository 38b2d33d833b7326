import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CliError } from '../cli-error.ts';
import { parseByteCount } from './byte-count.ts';
import { parseByteRange } from './byte-range.ts';
import { parseDelayMs, parseDurationMs } from './duration.ts';
import { parseRightPrefix, rightsFromTexts } from './right-prefix.ts';
import { parseWholeNumber } from './whole-number.ts';

const address = `b3:${'0a'.repeat(32)}`;

describe('byte ranges', () => {
  it('reads first and last byte, both included, as a half-open range', () => {
    const ordered = fc
      .tuple(fc.maxSafeNat(), fc.maxSafeNat())
      .map(([a, b]) => [Math.min(a, b), Math.min(Math.max(a, b), Number.MAX_SAFE_INTEGER - 1)] as const)
      .filter(([a, b]) => a <= b);
    fc.assert(
      fc.property(ordered, ([first, last]) => {
        expect(parseByteRange(`${first}-${last}`)).toEqual({ start: first, end: last + 1 });
      }),
    );
  });

  it('reads an open end', () => {
    expect(parseByteRange('100-')).toEqual({ start: 100 });
  });

  it.each([
    '',
    '-',
    '-5',
    '5',
    '5-4',
    '1-2-3',
    '0x1-2',
    ' 1-2',
    '1.5-2',
    '99999999999999999-',
    '9007199254740991-9007199254740991',
  ])('refuses %j as usage', (text) => {
    expect(() => parseByteRange(text)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['30m', 1_800_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    ['2w', 1_209_600_000],
  ])('reads %s', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(['', '0h', '-1h', '1', 'h', '1.5h', '1y', '1h30m', '101d'.replace('101', '36501')])('refuses %j', (text) => {
    expect(() => parseDurationMs(text)).toThrow(CliError);
  });
});

describe('delays', () => {
  it.each([
    ['0', 0],
    ['0s', 0],
    ['5s', 5_000],
  ])('reads %s', (text, ms) => {
    expect(parseDelayMs(text)).toBe(ms);
  });

  it.each(['', '00', '-0', '5'])('refuses %j', (text) => {
    expect(() => parseDelayMs(text)).toThrow(CliError);
  });
});

describe('whole numbers', () => {
  it.each([
    ['1', 1],
    ['100', 100],
  ])('reads %s', (text, number) => {
    expect(parseWholeNumber(text, 'count', 1, 100)).toBe(number);
  });

  it.each(['', '0', '101', '-1', '1.5', '1e1', ' 1', '٣'])('refuses %j and names it', (text) => {
    expect(() => parseWholeNumber(text, 'count', 1, 100)).toThrow(/is not a count: .* from 1 to 100/);
  });
});

describe('byte counts', () => {
  it.each([
    ['0', 0],
    ['4096', 4_096],
    ['64K', 65_536],
    ['64KiB', 65_536],
    ['10m', 10_485_760],
    ['2GB', 2_147_483_648],
  ])('reads %s', (text, bytes) => {
    expect(parseByteCount(text)).toBe(bytes);
  });

  it.each(['', 'K', '-1', '1.5M', '1X', '9007199254740993', '9007199254740991K'])('refuses %j', (text) => {
    expect(() => parseByteCount(text)).toThrow(CliError);
  });
});

describe('prefixes of rights', () => {
  it.each([
    ['', ''],
    ['docs/', 'n/docs/'],
    ['docs', 'n/docs'],
    [address, `o/${address}`],
    ['o/', 'o/'],
    ['n/docs/', 'n/docs/'],
    ['admin/storage', 'admin/storage'],
    ['box/jobs', 'box/jobs'],
    ['box/', 'box/'],
  ])('%j means %j', (text, prefix) => {
    expect(parseRightPrefix(text)).toBe(prefix);
  });

  it.each(['b3:abc', '/docs', address.toUpperCase().replace('B3', 'b3')])('refuses %j', (text) => {
    expect(() => parseRightPrefix(text)).toThrow(CliError);
  });

  it('lets writers of names store objects, and readers not', () => {
    expect(rightsFromTexts({ write: ['docs/'] })).toEqual([
      { methods: ['write'], prefix: 'n/docs/' },
      { methods: ['write'], prefix: 'o/' },
    ]);
    expect(rightsFromTexts({ read: ['docs/'] })).toEqual([{ methods: ['read'], prefix: 'n/docs/' }]);
  });

  it('grants a box without objects or names', () => {
    expect(rightsFromTexts({ write: ['box/jobs'], list: ['box/'] })).toEqual([
      { methods: ['write'], prefix: 'box/jobs' },
      { methods: ['list'], prefix: 'box/' },
    ]);
  });

  it('gathers the methods of one prefix', () => {
    expect(rightsFromTexts({ read: ['o/'], write: ['o/'], list: ['a/'], delete: ['a/'] })).toEqual([
      { methods: ['read', 'write'], prefix: 'o/' },
      { methods: ['list', 'delete'], prefix: 'n/a/' },
    ]);
  });

  it('is undefined when no right is named, which restricts nothing', () => {
    expect(rightsFromTexts({})).toBeUndefined();
  });
});
