import { createBus, createMetrics, type KernelEvent, type Log } from '@ron/kernel';
import { createInlineWork } from '@ron/kernel/real';
import { createSimEnv } from '@ron/kernel/sim';
import { addressFromHash } from '@ron/naming';
import type { Peer, Principal } from '@ron/proto/contract';
import { dhtContract } from '@ron/proto/dht';
import { RonError } from '@ron/proto/errors';
import type { Contact } from '@ron/proto/network';
import { bindLocal, hostService, loadCompiler, nodePrincipal } from '@ron/service';
import { Value } from 'typebox/value';
import { beforeAll, expect, test } from 'vitest';
import { DhtConfig, type DhtEngines, dht } from './service.ts';
import { createTestSigner, verifyEd25519 } from './testing/small-network.ts';

const quiet = () => undefined;
const log: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => log };
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
