import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { tempFolder } from '../../support/temp-folder.ts';
import { jsonOf, svgOf, tableOf } from './output.ts';
import { readScenario } from './scenario-files.ts';

const result = {
  values: { success_rate: 0.5, trace_hash: 'abc' },
  verdicts: [
    { name: 'found', ok: true, said: 'all' },
    { name: 'time', ok: false, said: '9 ms, at most 8' },
  ],
  charts: [
    { title: 'Time', unit: 'ms', values: [3, 1, 2] },
    { title: 'None', unit: 'ms', values: [] },
  ],
};

test('a result as table, JSON and SVG', () => {
  expect(tableOf(result)).toBe('success_rate  0.5\ntrace_hash    abc\nok   found: all\nFAIL time: 9 ms, at most 8\n');
  expect(JSON.parse(jsonOf(result))).toEqual({ ...result.values, ok: false, failed: ['time'] });
  expect(svgOf('dht, seed 7', result)).toMatch(/^<svg .*<title>dht, seed 7<\/title>.*Time \(3 values\).*<\/svg>/s);
});

test('a scenario is read by its name or its path; what is none is named', () => {
  using folder = tempFolder();
  const path = folder.join('own.json');
  writeFileSync(path, '{"kind":"dht"}');
  expect(readScenario(path)).toEqual({ kind: 'dht' });
  expect(readScenario('dht')).toMatchObject({ kind: 'dht' });
  writeFileSync(path, '{');
  for (const name of [path, `${path}.json`, '../dht', 'nowhere']) expect(() => readScenario(name)).toThrow(RangeError);
});
