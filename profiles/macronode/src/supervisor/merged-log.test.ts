import { expect, test } from 'vitest';
import { mergeLines } from './merged-log.ts';

test('log lines pass, what is none becomes one with the name of its process, and nothing is glued together', () => {
  const lines: string[] = [];
  const write = mergeLines('storage', (line) => lines.push(line));
  const own = '{"level":"warn","process":"storage","msg":"a"}';
  write(own.slice(0, 10));
  write(`${own.slice(10)}\nRangeError: x\n\n`);
  write('    at y\n');
  expect(lines[0]).toBe(own);
  expect(lines.slice(1).map((line) => JSON.parse(line))).toEqual([
    { level: 'error', process: 'storage', msg: 'RangeError: x' },
    { level: 'error', process: 'storage', msg: '    at y' },
  ]);
});

test('what has no end does not grow without bound', () => {
  const lines: string[] = [];
  const write = mergeLines('edge', (line) => lines.push(line));
  for (let index = 0; index < 100; index += 1) write('x'.repeat(10_000));
  write('\n');
  expect(lines).toHaveLength(1);
  expect(lines[0]!.length).toBeLessThan(80_000);
});
