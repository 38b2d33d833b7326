import { createInlineWork } from '@ron/kernel/real';
import { addressFromHash, parseAddress } from '@ron/naming';
import type { Call } from '@ron/proto/contract';
import { dhtContract, type ProviderRecord } from '@ron/proto/dht';
import { RonError } from '@ron/proto/errors';
import { Value } from 'typebox/value';
import { expect, test } from 'vitest';
import { pointBits, sharedBits } from './distance.ts';
import { createTrace } from './handlers/trace.ts';
import { keyOfAddress } from './key.ts';
import type { MayTrust } from './search.ts';
import { SmallNetwork, type TestNode } from './testing/small-network.ts';

const { blake3 } = createInlineWork();
const address = addressFromHash(blake3(Buffer.from('traced')));
const key = keyOfAddress(parseAddress(address), blake3);
const call = {} as Call;

const trace = (network: SmallNetwork, { node }: TestNode, mayTrust?: MayTrust) =>
  network.run(Promise.resolve(createTrace(node, mayTrust)({ address }, call)));

test('says whom it asked, how near each is, what each answered, and who has the object by whose word', async () => {
  const network = new SmallNetwork();
  const nodes = await network.addJoined(6);
  await network.run(nodes[0]!.publisher.publish([key]));
  const seeker = network.add();
  await network.run(seeker.upkeep.join());
  const found = await trace(network, seeker);
  expect(Value.Check(dhtContract.operations.trace.output, found)).toBe(true);
  expect(found).toMatchObject({ self: seeker.contact.id, key, network_size: 7, region_bits: 0 });
  expect(found.steps.length).toBeGreaterThan(0);
  for (const step of found.steps) {
    expect(step.distance_bits).toBe(pointBits - sharedBits(step.node.id, key));
    if (step.outcome === 'answered') expect(step).toMatchObject({ records: 1, took_ms: 10, hop: 1 });
  }
  expect(found.providers).toHaveLength(1);
  expect(found.providers[0]).toMatchObject({ provider: nodes[0]!.contact, challenge: 'none', at_ms: 10 });
  expect(found.steps.map(({ node }) => node.id)).toContain(found.providers[0]!.from);
});

test('who is silent or refuses is told apart', async () => {
  const network = new SmallNetwork();
  const nodes = await network.addJoined(4);
  const seeker = network.add();
  await network.run(seeker.upkeep.join());
  network.nodes.delete(nodes[1]!.contact.id);
  nodes[2]!.serve = () => {
    throw new RonError('quota_exhausted', 'too much', { retryAfterMs: 1 });
  };
  const { steps, providers } = await trace(network, seeker);
  const of = (node: TestNode) => steps.find((step) => step.node.id === node.contact.id);
  expect(of(nodes[1]!)).toMatchObject({ outcome: 'silent', code: 'deadline_exceeded', took_ms: 1_500 });
  expect(of(nodes[2]!)).toMatchObject({ outcome: 'refused', code: 'quota_exhausted' });
  expect(of(nodes[3]!)).toMatchObject({ outcome: 'answered', records: 0 });
  expect(providers).toEqual([]);
});

test('shows who passed the challenge and who did not', async () => {
  const network = new SmallNetwork();
  const nodes = await network.addJoined(5);
  for (const provider of nodes.slice(0, 2)) await network.run(provider.publisher.publish([key]));
  const honest = nodes[1]!.contact.id;
  const mayTrust = async ({ provider: { id } }: ProviderRecord) => id === honest;
  const careful = network.add();
  await network.run(careful.upkeep.join());
  const { providers } = await trace(network, careful, mayTrust);
  const said = new Map(providers.map(({ provider, challenge }) => [provider.id, challenge]));
  expect(said.get(honest)).toBe('passed');
  expect(said.get(nodes[0]!.contact.id)).toBe('failed');
});

test('what this node keeps itself needs nobody', async () => {
  const network = new SmallNetwork();
  const [keeper, provider] = await network.addJoined(2);
  await network.run(provider!.publisher.publish([key]));
  const { steps, providers } = await trace(network, keeper!);
  expect(providers).toMatchObject([{ provider: provider!.contact, at_ms: 0 }]);
  expect(providers[0]!.from).toBeUndefined();
  expect(steps.every(({ at_ms }) => at_ms === 0)).toBe(true);
});
