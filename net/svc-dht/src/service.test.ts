import { createBus, createMetrics, type KernelEvent, type Log } from '@ron/kernel';
import { createInlineWork } from '@ron/kernel/real';
import { createSimEnv } from '@ron/kernel/sim';
import { addressFromHash } from '@ron/naming';
import type { Peer, Principal } from '@ron/proto/contract';
import { dhtContract } from '@ron/proto/dht';
import { RonError } from '@ron/proto/errors';
import type { Contact } from '@ron/proto/network';
import { bindLocal, hostService, loadCompiler, nodePrincipal } from '@ron/service';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { beforeAll, expect, test } from 'vitest';
import { DhtConfig, type DhtEngines, dht } from './service.ts';
import { createTestSigner, verifyEd25519 } from './testing/small-network.ts';

const quiet = () => undefined;
const errors: string[] = [];
const log: Log = {
  ...{ debug: quiet, info: quiet, warn: quiet },
  error: (_fields, message) => void errors.push(message),
  child: () => log,
};
const admin: Principal = { subject: 'admin', capabilityId: 'test', tenant: '', limits: {}, allows: () => true };
const { blake3 } = createInlineWork();

beforeAll(loadCompiler);

/** Two nodes that reach each other through their whole pipelines, on one virtual time. */
async function start() {
  const env = createSimEnv({ seed: 1 });
  const bound = new Map<string, (as: Principal) => Peer<typeof dhtContract>>();
  const nodes = [];
  for (let index = 0; index < 2; index++) {
    const signer = createTestSigner();
    const contact: Contact = { id: signer.id, address: `10.0.${index}.1:9700` };
    const ask = async (to: Contact, operation: string, input: unknown) => {
      const peer = bound.get(to.id)?.(nodePrincipal(contact.id)) as Record<
        string,
        (input: unknown) => Promise<unknown>
      >;
      if (peer === undefined) throw new RonError('unavailable', 'nobody is there');
      return peer[operation]!(input);
    };
    const known: Contact[] = nodes.map((each) => each.contact);
    const engines: DhtEngines = { contact, ask: ask as never, signer, verify: verifyEd25519, seeds: () => known };
    const current = () => Value.Default(DhtConfig, {}) as DhtConfig;
    const config = { current, onChange: () => ({ [Symbol.dispose]: quiet }) };
    const metrics = createMetrics();
    const bus = createBus<KernelEvent>();
    const authenticator = { authenticate: () => admin };
    const host = { env, bus, metrics, log, authenticator };
    const hosted = await env.scheduler.settle(hostService(dht, host, { config, peers: {}, engines }));
    const bind = (as: Principal) => bindLocal(dhtContract, () => hosted.dispatcher, as, env, { roundTrip: true });
    bound.set(contact.id, bind);
    nodes.push({ contact, metrics, hosted, peer: bind(admin), dispose: async () => hosted[Symbol.asyncDispose]() });
    await env.scheduler.runFor(1_000);
  }
  return { env, nodes, run: <T>(work: Promise<T>) => env.scheduler.settle(work) };
}

test('what one node announces another one finds, behind both pipelines', async () => {
  const { env, nodes, run } = await start();
  const [two, one] = [nodes[0]!, nodes[1]!];
  expect(one.hosted.gates().every(({ ok }) => ok)).toBe(true);
  const address = addressFromHash(blake3(Buffer.from('an object')));
  expect(await run(one.peer.announce({ addresses: [address] }))).toEqual({ announced: 1, published: 1 });
  await env.scheduler.runFor(120_000);
  const found = await run(two.peer.locate({ address }));
  expect(found.records.map(({ provider }) => provider)).toEqual([one.contact]);
  expect(two.metrics.read('dht_searches_total', { outcome: 'found' })).toBe(1);
  const table = await run(two.peer.table({}));
  expect(table.buckets.flatMap((bucket) => bucket.nodes.map(({ contact }) => contact))).toEqual([one.contact]);
  expect(await run(one.peer.withdraw({ addresses: [address] }))).toEqual({ withdrawn: 1 });
  for (const { dispose } of nodes) await run(dispose());
});

test('only nodes ask what nodes ask each other', async () => {
  const { nodes, run } = await start();
  const { peer, dispose } = nodes[0]!;
  await expect(run(peer.ping({}))).rejects.toMatchObject({ code: 'forbidden' });
  await expect(run(peer.find_node({ target: 'AA'.repeat(32) }))).rejects.toMatchObject({ code: 'bad_request' });
  await run(dispose());
  await run(nodes[1]!.dispose());
});

test('input of any shape is answered or gets a refusal of the table, never `internal`, and leaves nothing behind', async () => {
  const { env, nodes, run } = await start();
  const { hosted, peer, dispose } = nodes[0]!;
  const before = await run(peer.table({}));
  const hex = fc.constantFrom('0'.repeat(64), 'f'.repeat(64), 'F'.repeat(64), 'f'.repeat(63), '');
  const value = fc.oneof(hex, fc.anything({ maxDepth: 3 }));
  const asker = fc.oneof(fc.record({ id: hex, address: fc.string() }), fc.anything({ maxDepth: 2 }));
  const input = fc.oneof(
    fc.anything({ maxDepth: 4 }),
    fc.record({ target: value, asker }, { requiredKeys: [] }),
    fc.record({ key: value, toward: value, asker }, { requiredKeys: [] }),
    fc.record({ records: fc.array(fc.anything({ maxDepth: 3 }), { maxLength: 70 }), asker }, { requiredKeys: [] }),
    fc.record({ addresses: fc.array(fc.oneof(hex, fc.anything()), { maxLength: 5 }) }),
  );
  const operations = fc.constantFrom(...Object.keys(dhtContract.operations).filter((name) => name !== 'locate'));
  await fc.assert(
    fc.asyncProperty(operations, input, fc.nat(), fc.boolean(), async (operation, given, peerId, isNode) => {
      const principal = isNode ? nodePrincipal(peerId.toString(16).padStart(64, '0')) : admin;
      const call = { operation, input: given, credential: { principal }, corrId: 'test-corr-id', remote: 'test' };
      const refusal = await run(hosted.dispatcher.dispatch(call)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (refusal !== undefined) expect(refusal).toBeInstanceOf(RonError);
      expect((refusal as RonError | undefined)?.code).not.toBe('internal');
    }),
  );
  await env.scheduler.runFor(10_000);
  expect((await run(peer.table({}))).buckets).toEqual(before.buckets);
  expect(errors).toEqual([]);
  for (const { dispose: end } of nodes.slice(1)) await run(end());
  await run(dispose());
});
