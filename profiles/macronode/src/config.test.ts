import { ConfigError, createConfig, formatProblem } from '@ron/kernel';
import { expect, test } from 'vitest';
import { macronodeTables } from './config.ts';
import { parseFlags } from './flags.ts';

const problemsOf = (text: string): readonly string[] => {
  try {
    createConfig(macronodeTables, { file: { name: 'macronode.toml', text } });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(formatProblem);
  }
};

test('needs no file: 8080, two gateways, on disk', () => {
  const config = createConfig(macronodeTables, {});
  expect(config.table('front').current().listen).toBe('127.0.0.1:8080');
  expect(config.table('topology').current()).toMatchObject({ gateways: 2, engines: 'disk', folder: './ron-macronode' });
});

test.each([
  ['[topology]\ngatewys = 2', 'macronode.toml:2', 'did you mean gateways?'],
  ['[topolgy]\n', 'macronode.toml:1', 'did you mean topology?'],
  ['[topology]\n\ngateways = 17', 'macronode.toml:3', '16'],
  ['[topology]\nengines = "tape"', 'macronode.toml:2', 'disk'],
  ['[front]\nbackends = ["a=127.0.0.1:1"]', 'macronode.toml:2', 'unknown key'],
  ['[front]\nallow_remote = true', 'macronode.toml:2', 'unsafe = true'],
  ['[server]\nlisten = "127.0.0.1:1"', 'macronode.toml:2', 'unknown key'],
  ['[network]\nlisten = "127.0.0.1:1"', 'macronode.toml:1', 'unknown table'],
])('%j is refused with its line and what to do', (text, where, fix) => {
  const [problem = ''] = problemsOf(text);
  expect(problem).toContain(where);
  expect(problem).toContain(fix);
});

test('flags name fields, and others are refused', () => {
  const { overrides } = parseFlags(['--folder', 'd', '--gateways', '3', '--set', 'front.drain_notice_ms=5']);
  expect(overrides).toEqual({ 'topology.folder': 'd', 'topology.gateways': '3', 'front.drain_notice_ms': '5' });
  expect(() => parseFlags(['--set', 'x'])).toThrow(TypeError);
  expect(() => parseFlags(['--nothing'])).toThrow(TypeError);
});
