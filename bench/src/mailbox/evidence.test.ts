import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bodyBytes, nextBody, sampleOf } from './contestant.ts';
import { parseReply } from './resp.ts';
import { bestPeer, type Standing } from './standings.ts';
import { callsOf } from './syncs.ts';

test('a reply is parsed when it is whole, and not before', () => {
  const text = '*1\r\n*2\r\n$5\r\nqueue\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nb\r\n$3\r\na\r\n\r\n';
  expect(parseReply(text, 0)).toEqual({ reply: [['queue', [['1-0', ['b', 'a\r\n']]]]], end: text.length });
  fc.assert(fc.property(fc.nat(text.length - 1), (cut) => parseReply(text.slice(0, cut), 0) === undefined));
});

test('an error, a number and nothing are replies too', () => {
  expect(parseReply('-ERR no\r\n', 0)?.reply).toEqual(new Error('ERR no'));
  expect(parseReply(':12\r\n', 0)?.reply).toBe(12);
  expect(parseReply('*-1\r\n', 0)).toEqual({ reply: undefined, end: 5 });
});

test('syncs are the calls of strace’s table, with or without errors', () => {
  const table = `
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 98.00    0.100000         100      1000           fdatasync
  2.00    0.002000         100        20         3 fsync
------ ----------- ----------- --------- --------- ----------------
100.00    0.102000         100      1020         3 total
`;
  expect(callsOf(table)).toBe(1_020);
});

test('no two bodies are the same, and all have the size', () => {
  const bodies = Array.from({ length: 1_000 }, nextBody);
  expect(new Set(bodies).size).toBe(1_000);
  expect(bodies.every((body) => body.length === bodyBytes)).toBe(true);
});

test('percentiles are of all cycles', () => {
  const latencies = Array.from({ length: 1_000 }, (_, at) => 1_000 - at);
  expect(sampleOf(latencies, 2)).toMatchObject({ cycles: 1_000, seconds: 2, p50Ms: 501, p99Ms: 991 });
});

test('the anchor is the fastest that syncs, and none of ours', () => {
  const standing = (id: string, rate: number, durable: boolean): Standing => ({
    id,
    name: id,
    cyclesPerSecond: [rate],
    p50Ms: [1],
    p99Ms: [1],
    syncsPerSecond: 1,
    cyclesPerSync: 1,
    durable,
  });
  const all = [
    standing('slow', 1, true),
    standing('fast', 2, true),
    standing('unsynced', 3, false),
    standing('us', 4, true),
  ];
  expect(bestPeer(all, ['us'])?.id).toBe('fast');
});
