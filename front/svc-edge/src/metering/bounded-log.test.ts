import type { Log, LogFields } from '@ron/kernel';
import { expect, test } from 'vitest';
import { StillClock } from '../fixtures/start-edge.ts';
import { BoundedLog, linesPerSecondMax } from './bounded-log.ts';

test('a second has so many lines, and the next one says how many were left out', () => {
  const lines: LogFields[] = [];
  const nothing = () => undefined;
  const log: Log = {
    debug: nothing,
    info: nothing,
    error: nothing,
    warn: (fields) => lines.push(fields),
    child: () => log,
  };
  const clock = new StillClock();
  const bounded = new BoundedLog(clock, log);
  for (let i = 0; i < linesPerSecondMax + 3; i++) bounded.warn({ i }, 'x');
  expect(lines).toHaveLength(linesPerSecondMax);
  clock.advance(1);
  bounded.warn({ i: 'next' }, 'x');
  bounded.warn({ i: 'last' }, 'x');
  expect(lines.slice(-2)).toEqual([{ i: 'next', left_out: 3 }, { i: 'last' }]);
});
