import { expect, test } from 'vitest';
import { parseFlags } from './flags.ts';

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
      '--network',
      ':2',
      '--set',
      'a.b=c=d',
      '--set',
      'e.f=',
    ]),
  ).toEqual({
    persist: 'd',
    configFile: 'c',
    help: false,
    overrides: {
      'server.listen': ':1',
      'server.oap_listen': 'unix:/s',
      'network.listen': ':2',
      'a.b': 'c=d',
      'e.f': '',
    },
  });
});

test('what is not known is refused', () => {
  for (const args of [['--nothing'], ['file'], ['--set', 'a.b'], ['--set', '=c'], ['--persist']]) {
    expect(() => parseFlags(args)).toThrow(TypeError);
  }
});
