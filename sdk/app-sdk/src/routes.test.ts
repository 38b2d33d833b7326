import type { HttpRoute } from '@ron/proto/contract';
import { gatewayContract } from '@ron/proto/gateway';
import { expect, test } from 'vitest';
import { routes } from './routes.ts';

const contract: Readonly<Record<string, { readonly http?: readonly HttpRoute[] }>> = gatewayContract.operations;
const operations = Object.entries(contract).filter(([name]) => name !== 'upload_options');

test('the client knows every operation of the gateway and no other', () => {
  expect(Object.keys(routes).sort()).toEqual(operations.map(([name]) => name).sort());
});

test.each(operations)('%s goes where the contract says', (name, { http }) => {
  const [first] = http!;
  const route = routes[name]!;
  expect({ method: route.method, path: route.path, reply: route.reply }).toEqual({
    method: first!.method,
    path: first!.path,
    reply: first!.reply,
  });
  expect(route.json).toBe(first!.json);
  expect([...(route.query ?? [])]).toEqual([...(first!.query ?? [])]);
  expect(inverse(route.headers)).toEqual({ ...first!.headers });
  // The client need not take every header, but what it takes must be what the contract sends.
  const sent = inverse(first!.replyHeaders);
  for (const [header, field] of Object.entries(route.replyHeaders ?? {})) {
    expect([header, sent[header]]).toEqual([header, field]);
  }
});

test('reads by HEAD have a route of their own', () => {
  for (const name of ['get', 'entry', 'view', 'outboard']) {
    expect(contract[name]!.http!.some(({ method, fixed }) => method === 'HEAD' && fixed?.['head'] === true)).toBe(true);
  }
});

function inverse(record: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [value, key]));
}
