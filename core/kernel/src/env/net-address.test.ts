import { expect, test } from 'vitest';
import { parseNetAddress } from './net-address.ts';

test.each([
  ['127.0.0.1:0', { kind: 'tcp', host: '127.0.0.1', port: 0 }],
  ['localhost:65535', { kind: 'tcp', host: 'localhost', port: 65_535 }],
  ['[::1]:9600', { kind: 'tcp', host: '::1', port: 9_600 }],
  ['::1:9600', { kind: 'tcp', host: '::1', port: 9_600 }],
  ['unix:/run/a:1', { kind: 'unix', path: '/run/a:1' }],
])('%s', (text, address) => {
  expect(parseNetAddress(text)).toEqual(address);
});

test.each([
  '',
  ':80',
  'host',
  'host:',
  'host:65536',
  'host:-1',
  'host: 80',
  'host:0x50',
  'host:1e3',
  '[::1]',
  '[::1:80',
  'unix:',
])('%j is none', (text) => {
  expect(() => parseNetAddress(text)).toThrow(RangeError);
});
