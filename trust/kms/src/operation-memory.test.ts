import { describe, expect, test } from 'vitest';
import { kmsLimits } from './kms.ts';
import { OperationMemory } from './operation-memory.ts';

const operation = (count: number, tenant = 'acme') => ({
  tenant,
  opId: `operation-${count}`,
  request: `request ${count}`,
  kid: `key ${count}`,
});

describe('operation ids', () => {
  test('the newest 1,000 are kept: at one less, at it, and at one more', () => {
    const memory = new OperationMemory();
    const recall = (count: number) => memory.recall('acme', `operation-${count}`, `request ${count}`);
    for (let count = 1; count < kmsLimits.operationsMax; count += 1) memory.add(operation(count));
    expect([memory.list().length, recall(1)]).toEqual([999, 'key 1']);
    memory.add(operation(1_000));
    expect([memory.list().length, recall(1)]).toEqual([1_000, 'key 1']);
    // What a keystore file says after one more, before it is added.
    expect(
      memory
        .list(operation(1_001))
        .map(({ kid }) => kid)
        .slice(0, 1),
    ).toEqual(['key 2']);
    expect(memory.list(operation(1_001))).toHaveLength(1_000);
    memory.add(operation(1_001));
    expect([memory.list().length, recall(1), recall(2), recall(1_001)]).toEqual([
      1_000,
      undefined,
      'key 2',
      'key 1001',
    ]);
  });

  test('tenants do not meet', () => {
    const memory = new OperationMemory();
    memory.add(operation(1));
    expect(memory.recall('other', 'operation-1', 'something else')).toBeUndefined();
    expect(() => memory.recall('acme', 'operation-1', 'something else')).toThrow(/another request/);
  });
});
