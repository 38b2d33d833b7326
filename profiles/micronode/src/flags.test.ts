import { expect, test } from 'vitest';
import { parseFlags } from './flags.ts';
import { parseListenAddress } from './listen.ts';

test('flags become overrides of the configuration', () => {
  expect(parseFlags([])).toEqual({ persist: undefined, configFile: undefined, help: false, overrides: {} });
  expect(
    parseFlags([
      '--persist',
      'd',
      '--config',
      'c',
      '--listen',
      ':1',
      '--oap',
      'unix:/s',
      '--set',
      'a.b=c=d',
      '--set',
      'e.f=',
    ]),
  ).toEqual({
    persist: 'd',
    configFile: 'c',
    help: false,
    overrides: { 'server.listen': ':1', 'server.oap_listen': 'unix:/s', 'a.b': 'c=d', 'e.f': '' },
  });
});

test('what is not known is refused', () => {
  for (const args of [['--nothing'], ['file'], ['--set', 'a.b'], ['--set', '=c'], ['--persist']]) {
    expect(() => parseFlags(args)).toThrow(TypeError);
  }
});

test('listen addresses: IPv4, IPv6 in brackets, Unix sockets, and nothing else', () => {
  expect(parseListenAddress('127.0.0.1:0')).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 0 });
  expect(parseListenAddress('[::1]:65535')).toEqual({ kind: 'tcp', host: '::1', port: 65_535 });
  expect(parseListenAddress('unix:/run/ron.sock')).toEqual({ kind: 'unix', path: '/run/ron.sock' });
  for (const text of ['', 'localhost', ':9600', 'h:-1', 'h:65536', 'h:1.5', 'h:x']) {
    expect(() => parseListenAddress(text)).toThrow(RangeError);
  }
});
