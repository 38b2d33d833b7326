import { gatewayContract } from '@ron/proto/gateway';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { remoteOf } from './calls/call-request.ts';
import { WaitingRoom } from './calls/waiting-room.ts';
import { OperationCost } from './cost.ts';
import { costMax } from './fair/fair-queue.ts';

const costOf = (name: keyof typeof gatewayContract.operations) =>
  new OperationCost(`gateway.${name}`, gatewayContract.operations[name]);

describe('what a call costs', () => {
  test('is between 1 and the most that is charged before, whatever it says of itself', () => {
    const bytes = fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), { nil: undefined });
    fc.assert(
      fc.property(fc.constantFrom('get', 'put', 'hydrate', 'set_name', 'collect'), fc.anything(), bytes, (...drawn) => {
        const [name, input, bodyBytes] = drawn;
        const estimate = costOf(name as 'get').estimate(input, bodyBytes);
        expect(estimate).toBeGreaterThanOrEqual(1);
        expect(estimate).toBeLessThanOrEqual(costMax);
      }),
    );
  });

  test('of a view grows with its items, and of an upload with its bytes', () => {
    const view = costOf('hydrate');
    const items = (count: number) => ({ names: Array.from({ length: count }, () => 'n'), objects: [] });
    expect(view.estimate(items(64), 0) - view.estimate(items(0), 0)).toBe(64 * 1_024);
    const put = costOf('put');
    expect(put.estimate({}, 1_000_000) - put.estimate({}, 0)).toBe(1_000_000);
    expect(put.estimate({}, undefined)).toBe(put.estimate({}, 65_536));
  });

  test('of a read is learned from what such reads sent, and what moved is what it cost', () => {
    const get = costOf('get');
    const before = get.estimate({}, 0);
    for (let calls = 0; calls < 100; calls += 1) get.sent(1_000_000);
    expect(get.estimate({}, 0)).toBeGreaterThan(before + 900_000);
    expect(get.real({}, 0, 5_000_000)).toBe(5_000_000 + 4_096);
  });
});

describe('calls that wait idle', () => {
  test.each([
    [79, true],
    [80, true],
    [81, false],
  ])('one lane alone gets four fifths of 100 places: number %i', (number, gets) => {
    const room = new WaitingRoom();
    let last: unknown;
    for (let calls = 0; calls < number; calls += 1) last = room.enter('a', 100);
    expect(last !== undefined).toBe(gets);
    expect(room.enter('b', 100)).toBeDefined();
  });

  test('give their place back once', () => {
    const room = new WaitingRoom();
    const [a, b] = [room.enter('a', 10)!, room.enter('a', 10)!];
    a();
    a();
    expect(room.size).toBe(1);
    b();
    expect(room.size).toBe(0);
  });
});

test.each([
  ['192.0.2.1', { remote: '192.0.2.1' }],
  ['fe80::1%eth0', { remote: 'fe80::1' }],
  ['unix', { remote: 'unix' }],
  ['somewhere', {}],
])('the address %s is handed on as %j', (address, expected) => {
  expect(remoteOf(address)).toEqual(expected);
});
