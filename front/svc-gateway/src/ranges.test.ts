import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentRange, parseRange } from './ranges.ts';

function refusalOf(header: string, size: number, rangesMax = 16): RonError | undefined {
  try {
    parseRange(header, size, rangesMax);
    return undefined;
  } catch (error) {
    if (error instanceof RonError) return error;
    throw error;
  }
}

describe('parseRange', () => {
  it.each([
    ['bytes=0-0', 10, [[0, 1]]],
    ['bytes=0-', 10, [[0, 10]]],
    ['bytes=9-9', 10, [[9, 1]]],
    ['bytes=9-', 10, [[9, 1]]],
    ['bytes=0-9', 10, [[0, 10]]],
    ['bytes=0-10', 10, [[0, 10]]],
    ['bytes=5-99999999999999999999999999', 10, [[5, 5]]],
    ['bytes=-1', 10, [[9, 1]]],
    ['bytes=-10', 10, [[0, 10]]],
    ['bytes=-11', 10, [[0, 10]]],
    ['bytes=-99999999999999999999999999', 10, [[0, 10]]],
    ['bytes=00000000000000000000000000000003-4', 10, [[3, 2]]],
    ['BYTES=1-2', 10, [[1, 2]]],
    ['bytes=1-2,', 10, [[1, 2]]],
    [
      'bytes= 1-2 , 7-8',
      10,
      [
        [1, 2],
        [7, 2],
      ],
    ],
    [
      'bytes=7-8,1-2',
      10,
      [
        [7, 2],
        [1, 2],
      ],
    ],
    ['bytes=0-1,2-3', 10, [[0, 4]]],
    [
      'bytes=0-1,3-4',
      10,
      [
        [0, 2],
        [3, 2],
      ],
    ],
    [
      'bytes=8-9,0-5,2-3,5-6',
      10,
      [
        [8, 2],
        [0, 7],
      ],
    ],
    ['bytes=0-0,50-60', 10, [[0, 1]]],
    ['bytes=9007199254740990-9007199254740991', 9007199254740991, [[9007199254740990, 1]]],
  ] as const)('%s of %d bytes', (header, size, spans) => {
    expect(parseRange(header, size, 16)).toEqual(spans.map(([start, length]) => ({ start, length })));
  });

  it.each(['lines=0-1', 'seconds=5-'])('ignores the unit of %s', (header) => {
    expect(parseRange(header, 10, 16)).toBeUndefined();
  });

  it.each([
    'bytes=10-',
    'bytes=10-20',
    'bytes=9007199254740993-',
    'bytes=99999999999999999999999999-99999999999999999999999999',
    'bytes=-0',
    'bytes=-00',
    'bytes=50-60,-0',
  ])('refuses %s, which has no byte of the object', (header) => {
    expect(refusalOf(header, 10)).toMatchObject({ code: 'range_not_satisfiable', details: { size: 10 } });
  });

  it.each([
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=-',
    'bytes=--1',
    'bytes=-5--1',
    'bytes=5-4',
    'bytes=9007199254740993-9007199254740992',
    'bytes=a-b',
    'bytes=1-2-3',
    'bytes=+1-2',
    'bytes=1.5-2',
    'bytes=0x1-2',
    'bytes=1 - 2',
    'bytes=1-2;3-4',
    'bytes=٣-٤',
    'bytes=0-1,x',
  ])('refuses the malformed %s', (header) => {
    expect(refusalOf(header, 10)).toMatchObject({ code: 'range_not_satisfiable', details: { size: 10 } });
  });

  it('sends the whole of nothing for a suffix, and refuses positions in nothing', () => {
    expect(parseRange('bytes=-5', 0, 16)).toBeUndefined();
    expect(refusalOf('bytes=0-', 0)?.code).toBe('range_not_satisfiable');
    expect(refusalOf('bytes=-0', 0)?.code).toBe('range_not_satisfiable');
  });

  it('takes as many ranges as configured and not one more', () => {
    const header = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, index) => `${index * 2}-${index * 2}`)}`;
    expect(parseRange(header(15), 1_000, 16)).toHaveLength(15);
    expect(parseRange(header(16), 1_000, 16)).toHaveLength(16);
    expect(refusalOf(header(17), 1_000)?.message).toContain('at most 16');
    expect(refusalOf(header(1_000), 10_000)?.code).toBe('range_not_satisfiable');
    expect(refusalOf(`bytes=0-0${','.repeat(2_000)}`, 10)?.code).toBe('range_not_satisfiable');
  });

  it('selects the bytes that a naive model selects', () => {
    const position = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(2 ** 53 + 2));
    const member = fc.oneof(
      fc.tuple(position, position).map(([first, last]) => ({ first, last: first + last })),
      position.map((first) => ({ first, last: undefined })),
      position.map((suffix) => ({ suffix })),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.array(member, { minLength: 1, maxLength: 6 }),
        (size, members) => {
          const text = members.map((each) =>
            'suffix' in each
              ? `-${BigInt(each.suffix)}`
              : `${BigInt(each.first)}-${each.last === undefined ? '' : BigInt(each.last)}`,
          );
          const wanted = new Set<number>();
          for (let at = 0; at < size; at += 1) {
            const selected = members.some((each) =>
              'suffix' in each
                ? at >= size - each.suffix
                : at >= each.first && (each.last === undefined || at <= each.last),
            );
            if (selected) wanted.add(at);
          }
          const header = `bytes=${text.join(',')}`;
          if (wanted.size === 0) {
            expect(refusalOf(header, size)?.details).toEqual({ size });
            return;
          }
          const spans = parseRange(header, size, 16)!;
          const got = spans.flatMap(({ start, length }) => Array.from({ length }, (_, index) => start + index));
          expect([...got].sort((a, b) => a - b)).toEqual([...wanted].sort((a, b) => a - b));
          // Apart from each other by at least one byte: what touches is one.
          const sorted = [...spans].sort((a, b) => a.start - b.start);
          for (const [index, span] of sorted.slice(1).entries()) {
            expect(span.start).toBeGreaterThan(sorted[index]!.start + sorted[index]!.length);
          }
        },
      ),
    );
  });

  it('either answers or refuses, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'0123456789-,= bytes\t'), maxLength: 60 }),
        fc.nat(50),
        (text, size) => {
          const refusal = refusalOf(`bytes=${text}`, size);
          expect(refusal === undefined || refusal.code === 'range_not_satisfiable').toBe(true);
        },
      ),
    );
  });

  it('writes Content-Range with inclusive ends', () => {
    expect(contentRange({ start: 3, length: 4 }, 10)).toBe('bytes 3-6/10');
  });
});
