import { auditContract } from '@ron/proto/audit';
import type { Contract, Operation } from '@ron/proto/contract';
import { dhtContract } from '@ron/proto/dht';
import { kmsContract } from '@ron/proto/kms';
import { overlayContract } from '@ron/proto/overlay';
import { passportContract } from '@ron/proto/passport';
import { policyContract } from '@ron/proto/policy';
import { registryContract } from '@ron/proto/registry';
import { describe, expect, test } from 'vitest';
import {
  auditService,
  dhtService,
  kmsService,
  overlayService,
  passportService,
  policyService,
  registryService,
} from './admin-services.ts';
import { encodeHttpCall } from './http-call.ts';
import type { ServiceTable } from './transport.ts';

const services: readonly [Contract, ServiceTable][] = [
  [auditContract, auditService],
  [dhtContract, dhtService],
  [kmsContract, kmsService],
  [overlayContract, overlayService],
  [passportContract, passportService],
  [policyContract, policyService],
  [registryContract, registryService],
];

describe.each(services)('$name', (contract, table) => {
  const open = Object.entries(contract.operations).filter(([, { http }]) => http !== undefined);

  test('the client knows every operation that has a route, and no other', () => {
    expect(table.app).toBe(contract.app);
    expect(Object.keys(table.routes).sort()).toEqual(open.map(([name]) => name).sort());
  });

  test.each(open)('%s goes where the contract says', (name, { http }: Operation) => {
    const [first] = http!;
    const route = table.routes[name]!;
    const { method, path, reply, json } = first!;
    expect({ method: route.method, path: route.path, reply: route.reply, json: route.json }).toEqual({
      method,
      path,
      reply,
      json,
    });
    expect([...(route.query ?? [])]).toEqual([...(first!.query ?? [])]);
    expect(inverse(route.headers)).toEqual({ ...first!.headers });
    const sent = inverse(first!.replyHeaders);
    for (const [header, field] of Object.entries(route.replyHeaders ?? {})) {
      expect([header, sent[header]]).toEqual([header, field]);
    }
  });
});

test('a key id travels in a path, with its # as %23', () => {
  const input = { kid: 'node/capability/hmac/0192#1' };
  const call = encodeHttpCall({ service: kmsService, operation: 'public_key', input, corrId: 'c' }, undefined);
  expect(call.target).toBe('/kms/keys/node/capability/hmac/0192%231');
});

function inverse(record: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [value, key]));
}
