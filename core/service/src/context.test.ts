import type { CallContext } from '@ron/proto/contract';
import { expect, test } from 'vitest';
import { Context } from './context.ts';
import { principal } from './testing/echo-service.ts';

function contextOf(parent?: CallContext): Context {
  return new Context({
    corrId: 'corr-id-1',
    traceparent: undefined,
    tenant: '',
    principal: principal(() => true),
    deadlineMs: 1,
    idempotencyKey: undefined,
    parent,
  });
}

test('the signal tells of an abort before and after it was asked for, and only of the first', () => {
  const before = contextOf();
  before.abort('first');
  before.abort('second');
  expect(before.signal).toMatchObject({ aborted: true, reason: 'first' });
  const after = contextOf();
  const { signal } = after;
  after.abort('first');
  expect(signal).toMatchObject({ aborted: true, reason: 'first' });
});

test('a nested call ends with the one above it, and by itself without ending that', () => {
  const parent = contextOf();
  const first = contextOf(parent);
  const second = contextOf(parent);
  const signal = first.signal;
  second.abort('mine');
  expect(second.signal.aborted).toBe(true);
  expect(parent.signal.aborted).toBe(false);
  parent.abort('all');
  expect(signal).toMatchObject({ aborted: true, reason: 'all' });
  expect(contextOf(parent).signal).toMatchObject({ aborted: true, reason: 'all' });
});

test('a call that is over listens to nothing', () => {
  const listening = new Set<unknown>();
  const signal = {
    aborted: false,
    addEventListener: (_type: string, listener: unknown) => listening.add(listener),
    removeEventListener: (_type: string, listener: unknown) => listening.delete(listener),
  } as never;
  const nested = contextOf({ ...contextOf(), signal });
  expect(nested.signal.aborted).toBe(false);
  expect(listening.size).toBe(1);
  nested.end();
  expect(listening.size).toBe(0);
});

test('what a call owns is let go once: at its end, or before', () => {
  const context = contextOf();
  const released: string[] = [];
  context.own(() => released.push('kept'));
  const disown = context.own(() => released.push('disowned'));
  disown();
  context.end();
  context.end();
  context.own(() => released.push('too late'));
  expect(released).toEqual(['kept', 'too late']);
});
