import { expect, test } from 'vitest';
import { type ApiContract, type ApiService, describeApis, firstDifference, serviceIn, startOrder } from './describe.ts';

const contract = (name: string): ApiContract => ({ name, app: 0x0301, operations: {} });
const service = (name: string, ...uses: readonly string[]): ApiService => ({
  packageName: `svc-${name}`,
  contract: contract(name),
  uses: Object.fromEntries(uses.map((used) => [used, contract(used)])),
});

test('services start after what they use, whatever the order of the list', () => {
  const services = [service('gateway', 'storage', 'index'), service('index', 'storage'), service('storage')];
  expect(startOrder(services)).toEqual(['storage', 'index', 'gateway']);
  expect(startOrder([...services].reverse())).toEqual(['storage', 'index', 'gateway']);
  expect(startOrder([service('b'), service('a')])).toEqual(['a', 'b']);
  expect(startOrder([])).toEqual([]);
});

test('a cycle, a missing and a doubled provider are errors that name the culprits', () => {
  expect(() => startOrder([service('a', 'b'), service('b', 'c'), service('c', 'b')])).toThrow('cycle: b → c → b');
  expect(() => startOrder([service('a', 'a')])).toThrow('cycle: a → a');
  expect(() => startOrder([service('a', 'gone')])).toThrow('a uses gone, and no service provides it');
  expect(() => startOrder([service('a'), { ...service('a'), packageName: 'svc-x' }])).toThrow('both provide a');
});

test('the description is complete', () => {
  const storage: ApiService = {
    packageName: 'svc-storage',
    uses: {},
    contract: {
      name: 'storage',
      app: 0x0301,
      operations: {
        put: {
          scopes: [{ method: 'write', resource: 'o/' }],
          errors: ['insufficient_storage', 'bad_digest'],
          body: 'in',
          mutation: true,
          http: [
            { method: 'PUT', path: '/put' },
            { method: 'POST', path: '/o' },
          ],
        },
        health: { scopes: [], errors: [] },
      },
    },
  };
  expect(describeApis([service('index', 'storage'), storage])).toBe(`svc-index: contract index, app 0x0301
  uses storage

svc-storage: contract storage, app 0x0301
  uses nothing
  health
    scopes none: open to everyone
  put, mutation, body in
    scopes write o/
    errors bad_digest, insufficient_storage
    PUT /put
    POST /o

start order: storage, index
`);
  expect(describeApis([])).toBe('start order: (no services)\n');
});

test('a module must export exactly one service', () => {
  const made = { contract: contract('a'), uses: {}, config: {}, start: () => undefined };
  expect(serviceIn('svc-a', { a: made, other: 1 })).toEqual({
    packageName: 'svc-a',
    contract: contract('a'),
    uses: {},
  });
  expect(() => serviceIn('svc-a', { other: {} })).toThrow('exports 0 services');
  expect(() => serviceIn('svc-a', { a: made, b: { ...made } })).toThrow('exports 2 services');
});

test('a difference is shown at its first line', () => {
  expect(firstDifference('a\nb\n', 'a\nb\n')).toBeUndefined();
  expect(firstDifference('a\nb\n', 'a\nc\n')).toContain('line 2\n  golden: b\n  now:    c');
  expect(firstDifference('a\nb\n', 'a\n')).toContain('golden: b');
  expect(firstDifference('a', 'a\nb')).toContain('golden: (end)');
});
