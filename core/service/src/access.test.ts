import type { Operation, Scope } from '@ron/proto/contract';
import fc from 'fast-check';
import { Type } from 'typebox';
import { describe, expect, test } from 'vitest';
import { authorize, requirementsOf, tenantOf } from './access.ts';
import { rightsFor } from './rights.ts';
import { echoContract, principal } from './testing/echo-service.ts';
import { contractOf } from './testing/pipeline.ts';

function operationOf(...scopes: readonly Scope[]): Operation {
  const input = Type.Object({ name: Type.String(), other: Type.String(), n: Type.Integer() });
  return { summary: '', input, output: Type.Object({}), errors: [], scopes };
}

const resourceOf = (resource: string, input: Record<string, unknown>) =>
  requirementsOf(operationOf({ method: 'read', resource }))[0]?.resourceOf(input);

describe('a scope', () => {
  test('has the fields of the input in their places', () => {
    expect(resourceOf('admin/storage', {})).toBe('admin/storage');
    expect(resourceOf('n/{name}', { name: 'a/b' })).toBe('n/a/b');
    expect(resourceOf('{name}/x/{other}/y', { name: 'a', other: 'b' })).toBe('a/x/b/y');
    expect(resourceOf('n/{name}', {})).toBe('n/');
    expect(resourceOf('n/{n}', { n: 7 })).toBe('n/7');
  });

  test('takes what a caller wrote verbatim: no place, pattern or property name in it means anything', () => {
    for (const text of ['{other}', '$&', '$1', '}{name}', '__proto__', '../x', 'constructor']) {
      expect(resourceOf('n/{name}', { name: text, other: 'secret' })).toBe(`n/${text}`);
      expect(resourceOf('n/{name}/{other}', { name: text, other: 'o' })).toBe(`n/${text}/o`);
    }
    fc.assert(
      fc.property(fc.string(), fc.string(), (name, other) => {
        expect(resourceOf('a{name}b{other}c', { name, other })).toBe(`a${name}b${other}c`);
      }),
    );
  });

  test('with a place that is not closed, or names no field, does not start', () => {
    for (const resource of ['n/{name', 'n/{nothing}', 'n/{}', 'n/{toString}', 'n/{name}/{']) {
      expect(() => requirementsOf(operationOf({ method: 'read', resource }))).toThrow(resource);
    }
  });
});

describe('access', () => {
  const requirements = requirementsOf(
    operationOf({ method: 'read', resource: 'n/{name}' }, { method: 'write', resource: 'o/' }),
  );

  test('needs every right', () => {
    const all = principal(() => true);
    const reader = principal((method) => method === 'read');
    expect(() => authorize(requirements, all, { name: 'x' })).not.toThrow();
    expect(() => authorize(requirements, reader, { name: 'x' })).toThrow(
      expect.objectContaining({ code: 'forbidden' }),
    );
    const nobody = { ...principal(() => false), anonymous: true };
    expect(() => authorize(requirements, nobody, { name: 'x' })).toThrow(
      expect.objectContaining({ code: 'unauthenticated' }),
    );
  });

  test('to what is the node’s as a whole is not for who belongs to a tenant, whatever its capability says', () => {
    const operation = operationOf({ method: 'admin', resource: 'admin/audit' });
    const bound = { ...principal(() => true), tenant: 'acme' };
    const isRefused = expect.objectContaining({ code: 'forbidden' });
    expect(() => authorize(requirementsOf(operation), bound, {})).toThrow(isRefused);
    expect(() =>
      authorize(
        requirementsOf(operation),
        principal(() => true),
        {},
      ),
    ).not.toThrow();
    expect(() => authorize(requirementsOf(operation, { administersTenants: true }), bound, {})).not.toThrow();
    const own = operationOf({ method: 'read', resource: 'n/{name}' });
    expect(() => authorize(requirementsOf(own), bound, { name: 'x' })).not.toThrow();
  });

  test('counts for the tenant of the capability; only who has none, and is somebody, may name one', () => {
    const bound = { ...principal(() => true), tenant: 'acme' };
    expect(tenantOf(bound, '', true)).toBe('acme');
    expect(tenantOf(bound, 'acme', true)).toBe('acme');
    expect(() => tenantOf(bound, 'other', true)).toThrow(expect.objectContaining({ code: 'forbidden' }));
    const free = principal(() => true);
    expect(tenantOf(free, '', true)).toBe('');
    expect(tenantOf(free, 'acme', true)).toBe('acme');
    const some = principal((method, resource) => method !== 'admin' || resource === 'admin/tenants/acme');
    expect(tenantOf(some, 'acme', true)).toBe('acme');
    expect(() => tenantOf(some, 'other', true)).toThrow(expect.objectContaining({ code: 'forbidden' }));
    // A service of the node acts for whom it serves.
    expect(tenantOf(some, 'other', false)).toBe('other');
    const nobody = { ...free, anonymous: true };
    expect(tenantOf(nobody, '', true)).toBe('');
    expect(() => tenantOf(nobody, 'acme', true)).toThrow(expect.objectContaining({ code: 'unauthenticated' }));
  });
});

test('the rights for a contract cover each of its operations, and no more prefixes than it names', () => {
  expect(rightsFor(echoContract)).toEqual(
    [
      { methods: ['read'], prefix: 'n/' },
      { methods: ['write'], prefix: 'n/' },
      { methods: ['write'], prefix: 'o/' },
      { methods: ['read'], prefix: 'o/' },
    ].reduce<{ methods: string[]; prefix: string }[]>((merged, right) => {
      const same = merged.find(({ prefix }) => prefix === right.prefix);
      if (same === undefined) merged.push({ ...right });
      else same.methods.push(...right.methods);
      return merged;
    }, []),
  );
  expect(rightsFor(contractOf({ open: {} }))).toEqual([]);
});
