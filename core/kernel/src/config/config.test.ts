import { createBus, type KernelEvent } from '@ron/bus';
import { Type } from 'typebox';
import { describe, expect, test } from 'vitest';
import { createConfig } from './config.ts';
import { ConfigError, nearest } from './problems.ts';
import { type ConfigSources, variableName } from './resolve.ts';

const tables = {
  storage: Type.Object({
    budgetBytes: Type.Integer({ default: 1000, minimum: 10, maximum: 1e12, unit: 'bytes', reload: true }),
    folder: Type.Optional(Type.String({ maxLength: 20 })),
    engine: Type.Union([Type.Literal('ram'), Type.Literal('disk')], { default: 'ram' }),
    tags: Type.Array(Type.String(), { default: ['a'], maxItems: 3, reload: true }),
  }),
  gateway: Type.Object({
    headerTimeMs: Type.Integer({ default: 5000, unit: 'ms', safeMin: 1000, safeMax: 10_000, reload: true }),
    verify: Type.Boolean({ default: true, safeValue: true }),
    token: Type.String({ default: 'hush', secret: true }),
    ratio: Type.Number({ default: 0.5, minimum: 0, maximum: 1, reload: true }),
  }),
};

const file = (text: string): ConfigSources => ({ file: { name: 'config.toml', text } });
const load = (text: string, more: ConfigSources = {}) => createConfig(tables, { ...file(text), ...more });

function problemsOf(text: string, more: ConfigSources = {}): string[] {
  try {
    load(text, more);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('layers', () => {
  test('defaults, then file, then environment, then flags; each value says where it is from', () => {
    const config = load(
      '[storage]\nbudgetBytes = 20\nengine = "disk"\n\n[gateway]\nratio = 0.25\nheaderTimeMs = 2000',
      {
        environment: { RON_GATEWAY_RATIO: '0.75', RON_GATEWAY_HEADER_TIME_MS: '3000', RON_CAP: 'secret', HOME: '/' },
        flags: { 'gateway.headerTimeMs': '4000' },
      },
    );
    expect(config.table('storage').current()).toEqual({ budgetBytes: 20, engine: 'disk', tags: ['a'] });
    expect(config.table('gateway').current()).toMatchObject({ ratio: 0.75, headerTimeMs: 4000, verify: true });
    expect(config.origin('storage.tags')).toEqual({ source: 'default', where: '' });
    expect(config.origin('storage.engine')).toEqual({ source: 'file', where: 'config.toml:3' });
    expect(config.origin('gateway.ratio')).toEqual({ source: 'environment', where: 'RON_GATEWAY_RATIO' });
    expect(config.origin('gateway.headerTimeMs')).toEqual({ source: 'flag', where: '--gateway.headerTimeMs' });
    expect(config.origin('gateway.nothing')).toBeUndefined();
    expect(config.entries().find(({ path }) => path === 'gateway.token')?.value).toBe('[redacted]');
  });

  test('snapshots are frozen, lists too', () => {
    const storage = load('').table('storage').current();
    expect(() => Object.assign(storage, { budgetBytes: 1 })).toThrow(TypeError);
    expect(() => (storage.tags as string[]).push('b')).toThrow(TypeError);
  });

  test('units and lists can be written as text', () => {
    const config = load('[storage]\nbudgetBytes = "64MiB"\n[gateway]\nheaderTimeMs = "2.5s"', {
      environment: { RON_STORAGE_TAGS: 'x, y' },
    });
    expect(config.table('storage').current()).toMatchObject({ budgetBytes: 64 * 1024 * 1024, tags: ['x', 'y'] });
    expect(config.table('gateway').current().headerTimeMs).toBe(2500);
  });

  test('variable names', () => {
    expect(variableName('svc-storage', 'bodyBytesMax')).toBe('RON_SVC_STORAGE_BODY_BYTES_MAX');
  });
});

describe('mistakes', () => {
  test('an unknown key names its line and the nearest known one; all problems come at once', () => {
    expect(problemsOf('[storage]\nengine = "disk"\nbudgetByte = 5\nengine2 = 1\n[gatway]\n')).toEqual([
      'config.toml:3: storage.budgetByte: unknown key, did you mean budgetBytes?',
      'config.toml:4: storage.engine2: unknown key, did you mean engine?',
      'config.toml:5: gatway: unknown table, did you mean gateway?',
    ]);
  });

  test.each([
    ['[storage]\nbudgetBytes = 9', 'config.toml:2: storage.budgetBytes: must be at least 10 (bytes)'],
    ['[storage]\nbudgetBytes = 10.5', 'config.toml:2: storage.budgetBytes: must be an integer (bytes)'],
    ['[storage]\nbudgetBytes = "64 apples"', 'config.toml:2: storage.budgetBytes: must be an integer (bytes)'],
    ['[storage]\nengine = "tape"', 'config.toml:2: storage.engine: must be one of "ram", "disk"'],
    ['[storage]\nfolder = 7', 'config.toml:2: storage.folder: must be a string'],
    ['[storage]\ntags = ["a", 1]', 'config.toml:2: storage.tags: must be a list of strings'],
    ['[storage]\ntags = ["a", "b", "c", "d"]', 'config.toml:2: storage.tags: must have at most 3 items'],
    ['[gateway]\nratio = 1.01', 'config.toml:2: gateway.ratio: must be at most 1'],
    ['[gateway]\nverify = "yes"', 'config.toml:2: gateway.verify: must be true or false'],
    ['storage = 3', 'config.toml:1: storage: must be a table'],
    ['[gateway]\nunsafe = 1', 'config.toml:2: gateway.unsafe: must be true or false'],
  ])('%j', (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  test('text that is no TOML names its line', () => {
    expect(problemsOf('[storage]\nbudgetBytes = = 5')[0]).toMatch(/^config\.toml:2: /);
    expect(problemsOf('[storage]\nengine = "ram"\nengine = "ram"')[0]).toMatch(/^config\.toml:3: /);
    expect(problemsOf(`# ${'x'.repeat(1024 * 1024)}`)).toEqual(['config.toml: is larger than 1 MiB']);
  });

  test('keys of objects that nobody wrote are unknown', () => {
    expect(problemsOf('[constructor]\nx = 1')[0]).toContain('unknown table');
    expect(problemsOf('[storage]\ntoString = 1')[0]).toContain('unknown key');
  });

  test('variables and flags that miss a field', () => {
    expect(problemsOf('', { environment: { RON_STORAGE_BUDGET_BITES: '5' } })).toEqual([
      'RON_STORAGE_BUDGET_BITES: unknown variable, did you mean RON_STORAGE_BUDGET_BYTES?',
    ]);
    expect(problemsOf('', { flags: { 'storage.engin': 'ram' } })).toEqual([
      '--storage.engin: unknown flag, did you mean storage.engine?',
    ]);
    expect(problemsOf('', { environment: { RON_STORAGE_BUDGET_BYTES: '' } })).toEqual([
      'RON_STORAGE_BUDGET_BYTES: storage.budgetBytes: must be an integer (bytes)',
    ]);
  });

  test('a required field that nobody gave', () => {
    const needs = { node: Type.Object({ id: Type.String() }) };
    expect(() => createConfig(needs, {})).toThrow('node.id: is required');
  });

  test('nearest', () => {
    expect(nearest('budgetbytes', ['budgetBytes', 'engine'])).toBe('budgetBytes');
    expect(nearest('completely', ['budgetBytes', 'engine'])).toBeUndefined();
  });
});

describe('safe bounds', () => {
  test('at the bound nothing is said; past it the table must say unsafe, and then it is reported', () => {
    expect(load('[gateway]\nheaderTimeMs = 1000').unsafeFields).toEqual([]);
    expect(problemsOf('[gateway]\nheaderTimeMs = 999')).toEqual([
      'config.toml:2: gateway.headerTimeMs: is under the safe bound 1000; to accept it, write unsafe = true in [gateway]',
    ]);
    const config = load('[gateway]\nunsafe = true\nheaderTimeMs = 10001\nverify = false');
    expect(config.unsafeFields).toEqual(['gateway.headerTimeMs', 'gateway.verify']);
  });

  test('another table does not help, and neither do variables', () => {
    expect(problemsOf('[storage]\nunsafe = true\n[gateway]\nverify = false')).toHaveLength(1);
    expect(problemsOf('[gateway]\nverify = false', { environment: { RON_GATEWAY_UNSAFE: 'true' } })).toHaveLength(2);
  });
});

describe('reload', () => {
  function loaded(text: string) {
    const bus = createBus<KernelEvent>();
    const events: KernelEvent[] = [];
    bus.onEvent((event) => events.push(event));
    return { config: createConfig(tables, file(text), bus), events };
  }

  test('fields that reload change at once, the others wait for a restart', () => {
    const { config, events } = loaded('[storage]\nbudgetBytes = 20');
    const before = config.table('storage').current();
    const seen: unknown[] = [];
    config.table('storage').onChange((now, old) => seen.push([old.budgetBytes, now.budgetBytes]));
    const other: unknown[] = [];
    config.table('gateway').onChange(() => other.push(1));
    expect(config.reload('[storage]\nbudgetBytes = 30\nengine = "disk"')).toEqual({
      ok: true,
      changed: ['storage.budgetBytes'],
      ignored: ['storage.engine'],
    });
    expect(config.table('storage').current()).toMatchObject({ budgetBytes: 30, engine: 'ram' });
    expect(before.budgetBytes).toBe(20);
    expect([seen, other]).toEqual([[[20, 30]], []]);
    expect(events).toEqual([{ type: 'ConfigUpdated', version: 2 }]);
    expect(config.origin('storage.budgetBytes')).toEqual({ source: 'file', where: 'config.toml:2' });
    expect(config.origin('storage.engine')?.source).toBe('default');
  });

  test('an invalid file keeps everything and says why', () => {
    const { config, events } = loaded('[storage]\nbudgetBytes = 20');
    const before = config.table('storage').current();
    const result = config.reload('[storage]\nbudgetBytes = 30\ntags = 1');
    expect(result).toMatchObject({ ok: false, problems: [{ path: 'storage.tags', where: 'config.toml:3' }] });
    expect(config.table('storage').current()).toBe(before);
    expect([config.version, events]).toEqual([1, []]);
  });

  test('nothing changed: silence', () => {
    const { config, events } = loaded('[storage]\nbudgetBytes = 20');
    expect(config.reload('# a comment\n[storage]\nbudgetBytes = 20')).toEqual({ ok: true, changed: [], ignored: [] });
    expect([config.version, events]).toEqual([1, []]);
  });

  test('the environment still wins over the new file, and unsafe values come and go', () => {
    const config = load('', { environment: { RON_STORAGE_BUDGET_BYTES: '77' } });
    expect(config.reload('[storage]\nbudgetBytes = 99')).toEqual({ ok: true, changed: [], ignored: [] });
    expect(config.table('storage').current().budgetBytes).toBe(77);
    config.reload('[gateway]\nunsafe = true\nheaderTimeMs = 20_000');
    expect(config.unsafeFields).toEqual(['gateway.headerTimeMs']);
    config.reload('');
    expect(config.unsafeFields).toEqual([]);
    expect(config.version).toBe(3);
  });

  test('a listener that was disposed hears nothing', () => {
    const { config } = loaded('');
    let heard = 0;
    config
      .table('storage')
      .onChange(() => heard++)
      [Symbol.dispose]();
    config.reload('[storage]\nbudgetBytes = 30');
    expect(heard).toBe(0);
  });
});
