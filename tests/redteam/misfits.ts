import { auditContract } from '@ron/proto/audit';
import type { Contract, HttpRoute } from '@ron/proto/contract';
import { gatewayContract } from '@ron/proto/gateway';
import { kmsContract } from '@ron/proto/kms';
import { mailboxContract } from '@ron/proto/mailbox';
import { passportContract } from '@ron/proto/passport';
import { policyContract } from '@ron/proto/policy';
import { registryContract } from '@ron/proto/registry';
import type { NodeProcess } from '../support/node-process.ts';
import { canary } from './canaries.ts';
import type { RawReply } from './raw-http.ts';
import { call } from './trust-client.ts';

/** What a node answers to over HTTP. */
export const contracts: readonly Contract[] = [
  passportContract,
  kmsContract,
  policyContract,
  registryContract,
  auditContract,
  gatewayContract,
  mailboxContract,
];

/** A route with one field in shapes that do not fit; where it is not in the body, in the query. */
export function attacksOn(node: NodeProcess, route: HttpRoute, field: string): (() => Promise<RawReply>)[] {
  const target = route.path.replaceAll(/:\w+/g, 'x').replace(/\*\w+$/, 'x');
  const method = route.method;
  if (method === 'HEAD' || method === 'OPTIONS') return [];
  if (route.json !== true) {
    const query = `?${field}=${canary()}`;
    return route.query === undefined ? [] : [() => call(node, method, `${target}${query}`)];
  }
  const shapes: ((value: string) => unknown)[] = [
    (value) => [value],
    (value) => ({ a: value }),
    (value) => `${value}\u0000`,
    (value) => value.repeat(400),
  ];
  return shapes.map((shape) => () => call(node, method, target, { body: { [field]: shape(canary()), '': 1 } }));
}
