import fc from 'fast-check';
import { expect, test } from 'vitest';
import { transportLimits } from '../limits.ts';
import { addressKey } from './address-key.ts';
import { Admission } from './admission.ts';

const address = (index: number) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;

/** The answer to the newcomer after `count` others that `admit` let in. */
function after(count: number, admit: (admission: Admission, index: number) => void, newcomer: string) {
  const admission = new Admission(transportLimits);
  for (let index = 0; index < count; index += 1) admit(admission, index);
  return admission.admit(newcomer);
}

const open = (remote: (index: number) => string) => (admission: Admission, index: number) => {
  expect(admission.admit(remote(index))).toBeUndefined();
  admission.handshakeOver(remote(index));
};
const halfOpen = (remote: (index: number) => string) => (admission: Admission, index: number) => {
  expect(admission.admit(remote(index))).toBeUndefined();
};

test('each cap at −1, 0 and +1', () => {
  expect(after(1_023, open(address), '192.0.2.1')).toBeUndefined();
  expect(after(1_024, open(address), '192.0.2.1')).toBe('over_capacity');
  expect(
    after(
      63,
      open(() => '192.0.2.1'),
      '192.0.2.1',
    ),
  ).toBeUndefined();
  expect(
    after(
      64,
      open(() => '192.0.2.1'),
      '192.0.2.1',
    ),
  ).toBe('address_capacity');
  expect(
    after(
      64,
      open(() => '192.0.2.1'),
      '192.0.2.2',
    ),
  ).toBeUndefined();
  expect(after(63, halfOpen(address), '192.0.2.1')).toBeUndefined();
  expect(after(64, halfOpen(address), '192.0.2.1')).toBe('handshake_capacity');
  expect(
    after(
      15,
      halfOpen(() => '192.0.2.1'),
      '192.0.2.1',
    ),
  ).toBeUndefined();
  expect(
    after(
      16,
      halfOpen(() => '192.0.2.1'),
      '192.0.2.1',
    ),
  ).toBe('address_handshakes');
  expect(
    after(
      65,
      open(() => 'unix'),
      'unix',
    ),
  ).toBeUndefined();
  const admission = new Admission(transportLimits);
  for (let count = 0; count < 4; count += 1) expect(admission.admitNode('a')).toBeUndefined();
  expect(admission.admitNode('a')).toBe('node_capacity');
  expect(admission.admitNode('b')).toBeUndefined();
  admission.leaveNode('a');
  expect(admission.admitNode('a')).toBeUndefined();
});

test('who has a /64 of IPv6 has one address; IPv4 inside IPv6 is IPv4', () => {
  const same = ['2001:db8:0:7::1', '2001:0DB8:0000:0007:ffff::', '2001:db8:0:7:1:2:3:4', '2001:db8:0:7::9%eth0'];
  expect(new Set(same.map(addressKey)).size).toBe(1);
  expect(addressKey('2001:db8:0:8::1')).not.toBe(addressKey(same[0] as string));
  expect(addressKey('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(addressKey('::1')).toBe('0:0:0:0::/64');
  expect(
    after(
      64,
      open((index) => `2001:db8::${index}`),
      '2001:db8::ffff',
    ),
  ).toBe('address_capacity');
});

test('whatever comes and goes, counts stay within their caps and return to nothing', () => {
  const caps = {
    handshakesMax: 5,
    handshakesPerAddressMax: 3,
    connectionsMax: 9,
    connectionsPerAddressMax: 4,
    connectionsPerNodeMax: 2,
  };
  const step = fc.record({ remote: fc.constantFrom('a', 'b', 'c'), node: fc.constantFrom('x', 'y'), act: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const admission = new Admission(caps);
      const half: string[] = [];
      const whole: { remote: string; node: string | undefined }[] = [];
      for (const { remote, node, act } of steps) {
        if (act <= 1) {
          if (admission.admit(remote) === undefined) half.push(remote);
        } else if (act === 2 && half.length > 0) {
          const done = half.shift() as string;
          admission.handshakeOver(done);
          const isLetIn = admission.admitNode(node) === undefined;
          whole.push({ remote: done, node: isLetIn ? node : undefined });
        } else if (whole.length > 0) leave(admission, whole.pop());
        expect(admission.handshakes).toBe(half.length);
        expect(admission.connections).toBe(half.length + whole.length);
        expect(admission.handshakes).toBeLessThanOrEqual(caps.handshakesMax);
        expect(admission.connections).toBeLessThanOrEqual(caps.connectionsMax);
      }
      for (const remote of half) {
        admission.handshakeOver(remote);
        admission.leave(remote);
      }
      for (const connection of whole) leave(admission, connection);
      expect([admission.connections, admission.handshakes, admission.remembered]).toEqual([0, 0, 0]);
    }),
  );
});

function leave(admission: Admission, connection: { remote: string; node: string | undefined } | undefined): void {
  if (connection === undefined) return;
  admission.leave(connection.remote);
  if (connection.node !== undefined) admission.leaveNode(connection.node);
}
