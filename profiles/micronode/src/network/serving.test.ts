import { randomBytes } from 'node:crypto';
import { createSliceVerifier } from '@ron/b3';
import { type Log, reloadConfig } from '@ron/kernel';
import { hashFromAddress, parseAddress } from '@ron/naming';
import type { Contract } from '@ron/proto/contract';
import { dhtContract } from '@ron/proto/dht';
import { indexContract } from '@ron/proto/names';
import { overlayContract } from '@ron/proto/overlay';
import { storageContract } from '@ron/proto/storage';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startRawNode } from '../fixtures/raw-node.ts';
import { startNode } from '../fixtures/start-node.ts';

const silence = () => undefined;
const silent: Log = { debug: silence, info: silence, warn: silence, error: silence, child: () => silent };

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

/** A node with an object and a name for it, and another node that asks it. */
async function serving(overrides: Readonly<Record<string, string>> = {}) {
  const server = await startNode({ 'network.listen': '127.0.0.1:0', 'network.dial_private': 'true', ...overrides });
  stack.use(server.node);
  const asker = stack.use(await startRawNode(silent));
  const bytes = randomBytes(300_000);
  const put = await server.ask('/o', { method: 'POST', body: new Blob([bytes]) });
  const { address } = (await put.json()) as { address: string };
  const trust = (...ids: readonly string[]) =>
    reloadConfig(server.config, `[network]\ntrusted = [${ids.map((id) => `"${id}"`).join(', ')}]\n`, silent);
  const ask = (contract: Contract, operation: string, input: object) =>
    asker.links.call(contract, server.node.contact!, operation, input, { timeoutMs: 60_000 });
  const outcome = (contract: Contract, operation: string, input: object) =>
    ask(contract, operation, input).then(
      () => 'ok',
      ({ code }: { code: string }) => code,
    );
  return { server, asker, bytes, address, trust, ask, outcome };
}

const everything = [{ first: 0, count: 1_000 }];

test('a node that is trusted learns what is here and reads slices; for others nothing is here', async () => {
  const { asker, bytes, address, trust, ask, outcome } = await serving();
  const have = () => ask(overlayContract, 'have', { addresses: [address] });
  expect((await have()).output).toEqual({ held: [] });
  expect(await outcome(overlayContract, 'want', { address, ranges: everything })).toBe('not_found');
  trust(asker.contact.id);
  expect((await have()).output).toEqual({ held: [{ address, size: 300_000, complete: true }] });
  const { body } = await ask(overlayContract, 'want', { address, ranges: everything });
  const root = hashFromAddress(parseAddress(address));
  const verifier = createSliceVerifier({ root, start: 0, length: 1_000 * 65_536 });
  const groups: Buffer[] = [];
  for await (const piece of body!) for (const group of verifier.push(piece)) groups.push(Buffer.from(group));
  expect([verifier.done, Buffer.concat(groups).equals(bytes)]).toEqual([true, true]);
});

test('what strangers may read over HTTP, strange nodes may read', async () => {
  const { server, asker, address, ask, outcome } = await serving({ 'gateway.public_prefixes': 'o/' });
  expect((await ask(overlayContract, 'have', { addresses: [address] })).output).toMatchObject({ held: [{ address }] });
  expect(await outcome(overlayContract, 'want', { address, ranges: everything })).toBe('ok');
  const admin = server.capabilityFor([{ methods: ['admin'], prefix: 'admin/' }]);
  const headers = { authorization: `Bearer ${admin}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ id: asker.contact.id });
  expect((await server.ask('/overlay/bans', { method: 'POST', headers, body })).status).toBe(200);
  expect(await outcome(overlayContract, 'have', { addresses: [address] })).toBe('forbidden');
});

test('a trusted node reaches what is for nodes, and no other operation of any service', async () => {
  const { asker, address, trust, outcome } = await serving();
  trust(asker.contact.id);
  expect(await outcome(overlayContract, 'have', { addresses: [address] })).toBe('ok');
  expect(await outcome(indexContract, 'match', { path: 'no/such' })).toBe('not_found');
  expect(await outcome(dhtContract, 'ping', {})).toBe('ok');
  const others: readonly [Contract, string, object][] = [
    [dhtContract, 'locate', { address }],
    [dhtContract, 'announce', { addresses: [address] }],
    [dhtContract, 'table', {}],
    [overlayContract, 'peers', {}],
    [overlayContract, 'ban', { id: asker.contact.id }],
    [storageContract, 'has', { addresses: [address] }],
    [storageContract, 'put', {}],
    [storageContract, 'usage', {}],
    [indexContract, 'resolve', { name: 'x' }],
    [indexContract, 'list', {}],
  ];
  for (const [contract, operation, input] of others) {
    expect([operation, await outcome(contract, operation, input)]).toEqual([operation, 'not_found']);
  }
});
