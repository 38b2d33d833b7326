import { expect, test } from 'vitest';
import { groupOf } from './address-group.ts';

test.each([
  ['192.0.2.7:9700', '192.0.2'],
  ['[2001:db8:1:2::7]:9700', '2001:db8:1'],
  ['[2001:DB8:0001::]:1', '2001:db8:1'],
  ['[::1]:9700', '0:0:0'],
  ['[2001::5]:9700', '2001:0:0'],
  ['[::ffff:192.0.2.9]:9700', '192.0.2'],
  ['Node.example:9700', 'node.example'],
])('%s belongs to %s', (address, group) => {
  expect(groupOf(address)).toBe(group);
});
