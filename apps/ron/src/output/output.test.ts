import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatDuration, formatTime } from './format.ts';
import { describeFields } from './numbers.ts';
import { isTextual, printable } from './printable.ts';
import { progressLine } from './progress.ts';
import { renderFields, renderTable } from './table.ts';

describe('numbers for people', () => {
  it.each([
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_024, '1.0 KiB'],
    [3 * 1_024 ** 3, '3.0 GiB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [350, '350 ms'],
    [4_200, '4.2 s'],
    [200_000, '3 min 20 s'],
    [3_600_000, '1 h'],
    [273_600_000, '3 d 4 h'],
  ])('%i ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('shows times that no date can hold', () => {
    expect(formatTime(0)).toBe('1970-01-01T00:00:00Z');
    expect(formatTime(Number.MAX_SAFE_INTEGER)).toBe('9007199254740991 ms');
  });

  it('counts in English', () => {
    expect([formatCount(1, 'file'), formatCount(10_000, 'file')]).toEqual(['1 file', '10,000 files']);
  });

  it('tells bytes and times by the names of fields', () => {
    expect(describeFields({ trashed_bytes: 2_048, eta_ms: 1_000, examined: 1_000, dry_run: true, sample: [] })).toEqual(
      [
        ['trashed bytes', '2.0 KiB'],
        ['eta ms', '1.0 s'],
        ['examined', '1,000'],
        ['dry run', 'true'],
      ],
    );
  });
});

describe('tables', () => {
  it('aligns columns and does not count colours', () => {
    const columns = [{ title: 'name' }, { title: 'n', align: 'right' as const }];
    const red = '\u001b[31ma\u001b[39m';
    expect(
      renderTable(columns, [
        [red, '10'],
        ['long-name', '2'],
      ]),
    ).toBe(`name        n\n${red}          10\nlong-name   2`);
  });

  it('aligns labels', () => {
    expect(
      renderFields([
        ['a', '1'],
        ['long', '2'],
      ]),
    ).toBe('a     1\nlong  2');
  });
});

describe('text from elsewhere', () => {
  it('cannot move the cursor or reorder letters', () => {
    expect(printable('a\u001b[2Jb\u202ec\nd\te')).toBe('a\\u001b[2Jb\\u202ec\nd\te');
  });

  it('is text when it is UTF-8 without control characters, also when cut in a letter', () => {
    const bytes = new TextEncoder().encode('grün\r\n');
    expect(isTextual(bytes)).toBe(true);
    expect(isTextual(bytes.subarray(0, 3))).toBe(true);
    expect(isTextual(new Uint8Array([0x89, 0x50, 0x4e, 0x47]))).toBe(false);
    expect(isTextual(new Uint8Array([65, 0]))).toBe(false);
    expect(isTextual(new TextEncoder().encode('\u001b[2J'))).toBe(false);
  });
});

it('shows share, speed and time left', () => {
  expect(progressLine('get', 512 * 1_024, 1_024 * 1_024, 1_000)).toBe(
    'get [############............] 50% 512.0 KiB 512.0 KiB/s 1.0 s left',
  );
  expect(progressLine('put', 1_024, undefined, 500)).toBe('put 1.0 KiB 2.0 KiB/s');
});
