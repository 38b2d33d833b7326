import { createSliceVerifier } from '@ron/b3';
import { createBus, createMetrics, type KernelEvent, type Log } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import type { Contract, Peer, Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { groupPastEnd } from '@ron/proto/exchange';
import { overlayContract, type Update } from '@ron/proto/overlay';
import { bindLocal, hostService, loadCompiler, nodePrincipal } from '@ron/service';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkPossession } from './exchange/possession.ts';
import { MemoryBlobs } from './exchange/testing/blobs.ts';
import { testObject } from './exchange/testing/fake-peers.ts';
import { MemoryShelf } from './exchange/testing/memory-shelf.ts';
import { createRamPeerStore, type OverlayApi, OverlayConfig, type OverlayEngines, overlay } from './service.ts';
import { signerOf, verifyEd25519 } from './testing/real-keys.ts';
import { contactOf, outcomeOf, SmallNetwork } from './testing/small-network.ts';

const admin: Principal = { subject: 'admin', capabilityId: 'a', tenant: '', limits: {}, allows: () => true };
const somebody: Principal = { ...admin, subject: 'somebody', allows: () => false };

const shared = testObject(200_000, 1);
const secret = testObject(1_000, 2);
const blobs = new MemoryBlobs([shared, secret]);

/** The storage of the node: what the service asks of it. */
const storage = {
  stat: async ({ address }: { address: string }) => {
    const found = await blobs.stat(address);
    if (found === undefined) throw new RonError('not_found', 'no such object');
    return { address, size: found.size, state: 'live' };
  },
  slice: async ({ address, start, length }: { address: string; start: number; length: number }) => {
    return { output: {}, body: blobs.slice(address, start, length) };
  },
  outboard: async ({ address }: { address: string }) => ({ output: {}, body: blobs.outboard(address) }),
} as unknown as Peer<Contract>;

async function startService(seeds: OverlayEngines['seeds'] = []) {
  await loadCompiler();
  const env = createSimEnv({ seed: 5 });
  const net = await SmallNetwork.create();
  const [metrics, bus] = [createMetrics(), createBus<KernelEvent>()];
  const silent = () => undefined;
  const errors: string[] = [];
  const log: Log = {
    debug: silent,
    info: silent,
    warn: silent,
    error: (_fields, message) => void errors.push(message),
    child: () => log,
  };
  let api: OverlayApi | undefined;
  const engines: OverlayEngines = {
    about: { addresses: ['10.0.0.0:9700'], region: 'eu', version: '0.1.0' },
    seeds,
    topics: ['news'],
    store: createRamPeerStore(),
    maySend: (address) => address === shared.address,
    copies: {
      shelf: new MemoryShelf(),
      freeBytes: () => 0,
      mayPlace: () => false,
      mayKeep: () => [],
      fetch: () => Promise.reject(new RonError('not_found', 'nobody has it')),
    },
    signer: signerOf(0),
    verify: verifyEd25519,
    ask: () => Promise.reject(new RonError('unavailable', 'nobody is there')),
    channels: {
      dial: () => Promise.reject(new RonError('unavailable', 'nobody is there')),
      accepted: (peer) => ({ peer, role: 'responder', binding: new Uint8Array(32) }),
    },
    attach: (given) => {
      api = given;
    },
  };
  const values = Value.Create(OverlayConfig);
  const config = { current: () => values, onChange: () => ({ [Symbol.dispose]: silent }) };
  const authenticator = { authenticate: () => ({ ...admin, anonymous: false }) };
  const hosted = await env.scheduler.settle(
    hostService(overlay, { env, metrics, bus, log, authenticator }, { config, peers: { storage }, engines }),
  );
  const as = (principal: Principal) =>
    bindLocal(overlayContract, () => hosted.dispatcher, principal, env, { roundTrip: true });
  const raw = (principal: Principal, operation: string, input: unknown) =>
    env.scheduler.settle(
      hosted.dispatcher.dispatch({
        operation,
        input,
        credential: { principal },
        corrId: 'test-corr-id',
        remote: 'test',
      }),
    );
  return {
    env,
    net,
    metrics,
    hosted,
    as,
    raw,
    errors,
    api: api!,
    run: <T>(work: Promise<T>) => env.scheduler.settle(work),
  };
}

let bed: Awaited<ReturnType<typeof startService>>;
beforeEach(async () => {
  bed = await startService();
});
afterEach(async () => {
  await bed.run(Promise.resolve(bed.hosted[Symbol.asyncDispose]()));
  bed.net[Symbol.dispose]();
});

const nodeId = signerOf(9).id;
const asNode = nodePrincipal(nodeId);

async function withMembers(count: number): Promise<void> {
  const records = await Promise.all(Array.from({ length: count }, (_, index) => bed.net.recordOf(index + 1)));
  const updates: Update[] = records.map((record) => ({ record }));
  for (let at = 0; at < count; at += 24) {
    await bed.run(bed.as(asNode).ping({ updates: updates.slice(at, at + 24) }));
  }
}

describe('the service', () => {
  test('lists members by id, in pages, with what is known of them', async () => {
    await withMembers(30);
    const first = await bed.run(bed.as(admin).peers({ limit: 20 }));
    const second = await bed.run(bed.as(admin).peers({ limit: 20, cursor: first.next! }));
    const ids = [...first.peers, ...second.peers].map(({ id }) => id);
    expect([first.peers.length, second.next, new Set(ids).size]).toEqual([20, undefined, 30]);
    expect(ids).toEqual(ids.toSorted());
    expect(first.members).toEqual({ alive: 30, suspect: 0, dead: 0, left: 0 });
    expect((await bed.run(bed.as(admin).peers({ state: 'dead' }))).peers).toEqual([]);
    expect(await outcomeOf(bed.run(bed.as(admin).peers({ cursor: 'x' })))).toBe('bad_request');
  });

  test('bans and unbans a node', async () => {
    await withMembers(1);
    const { until } = await bed.run(bed.as(admin).ban({ id: nodeId, duration_ms: 60_000 }));
    expect(until).toBe(bed.env.clock.wallMs() + 60_000);
    expect(await outcomeOf(bed.run(bed.as(asNode).ping({ updates: [] })))).toBe('forbidden banned');
    expect((await bed.run(bed.as(admin).peers({}))).bans).toEqual([{ id: nodeId, reason: 'operator', until }]);
    await bed.run(bed.as(admin).unban({ id: nodeId }));
    expect(await outcomeOf(bed.run(bed.as(asNode).ping({ updates: [] })))).toBe('taken');
    expect(await outcomeOf(bed.run(bed.as(admin).unban({ id: nodeId })))).toBe('not_found');
  });

  test('answers nodes what nodes ask, and nobody else', async () => {
    expect(await outcomeOf(bed.run(bed.as(asNode).peers({})))).toBe('forbidden');
    expect(await outcomeOf(bed.run(bed.as(asNode).ban({ id: nodeId })))).toBe('forbidden');
    expect(await outcomeOf(bed.run(bed.as(admin).ping({ updates: [] })))).toBe('forbidden');
    expect(await outcomeOf(bed.run(bed.as(somebody).ping({ updates: [] })))).toBe('forbidden');
    expect(await bed.run(bed.as(asNode).ping({ updates: [] }))).toMatchObject({ unknown: true });
  });

  test('serves other nodes the objects that they may have, and takes no copies where nobody keeps any', async () => {
    const as = bed.as(asNode);
    const addresses = [secret.address, shared.address, testObject(5, 7).address];
    const held = [{ address: shared.address, size: 200_000, complete: true }];
    expect(await bed.run(as.have({ addresses }))).toEqual({ held });
    const ranges = [{ first: 1, count: 1 }];
    const { body } = await bed.run(as.want({ address: shared.address, ranges }));
    const verifier = createSliceVerifier({ root: shared.tree.root, start: 65_536, length: 65_536 });
    const groups: number[] = [];
    const reading = (async () => {
      for await (const piece of body) for (const group of verifier.push(piece)) groups.push(group.length);
    })();
    await bed.run(reading);
    expect([groups, verifier.done, blobs.open]).toEqual([[65_536], true, 0]);
    expect(await outcomeOf(bed.run(as.want({ address: secret.address, ranges })))).toBe('not_found');
    const challenge = { address: shared.address, group: 3, nonce: 'ab'.repeat(32) };
    const question = { ...challenge, size: 200_000, node: bed.api.id };
    expect(checkPossession(question, await bed.run(as.challenge(challenge)))).toBe(true);
    const sources = [{ id: nodeId, address: '10.0.0.9:9700' }];
    const copy = { address: shared.address, size: 200_000, durability: 'memory', ttl_ms: 60_000, sources } as const;
    expect(await bed.run(as.place(copy))).toEqual({ state: 'refused', reason: 'not_allowed', free_bytes: 0 });
    expect(await bed.run(as.release({ address: shared.address }))).toEqual({ released: false });
    expect(await outcomeOf(bed.run(bed.as(admin).have({ addresses })))).toBe('forbidden');
  });

  test('gives the node’s other parts messages and members', async () => {
    await withMembers(2);
    const got: string[] = [];
    bed.api.subscribe('news', ({ origin }) => got.push(origin));
    await bed.run(bed.api.publish('news', new Uint8Array([1])));
    expect([got, bed.api.members().length]).toEqual([[bed.api.id], 2]);
    await bed.metrics.exposition();
    expect(bed.metrics.read('overlay_members', { state: 'alive' })).toBe(2);
    expect(bed.metrics.read('overlay_gossip_total', { what: 'published' })).toBe(1);
  });

  test('is not ready until somebody was reached, where there are seeds', async () => {
    expect(bed.hosted.gates()).toEqual([{ gate: 'overlay.joined', ok: true }]);
    const lonely = await startService([contactOf(1)]);
    expect(lonely.hosted.gates()).toMatchObject([{ gate: 'overlay.joined', ok: false }]);
    await lonely.run(lonely.as(asNode).ping({ updates: [{ record: await lonely.net.recordOf(1) }] }));
    expect(lonely.hosted.gates()).toMatchObject([{ gate: 'overlay.joined', ok: true }]);
    await lonely.run(Promise.resolve(lonely.hosted[Symbol.asyncDispose]()));
  });
});

const operations = Object.keys(overlayContract.operations);

describe('malformed and oversize input', () => {
  test('of any shape gets a refusal of the table, never `internal`, and leaves nothing behind', async () => {
    await withMembers(3);
    const input = fc.oneof(
      fc.anything({ maxDepth: 4 }),
      fc.record({ updates: fc.array(fc.anything(), { maxLength: 30 }) }),
      fc.record({ digests: fc.array(fc.anything()), updates: fc.constant([]) }),
      fc.record({ messages: fc.array(fc.anything(), { maxLength: 20 }) }),
      fc.record({ address: fc.anything(), addresses: fc.array(fc.anything()), ranges: fc.array(fc.anything()) }),
      fc.record({ address: fc.constant(shared.address), group: fc.anything(), nonce: fc.anything() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...operations), input, fc.boolean(), async (operation, value, isNode) => {
        const outcome = await outcomeOf(bed.raw(isNode ? asNode : admin, operation, value));
        expect(outcome).not.toContain('internal');
        expect(bed.errors).toEqual([]);
      }),
    );
    expect((await bed.run(bed.as(admin).peers({}))).peers).toHaveLength(3);
  });

  test('that fits the schemas and nothing else does no harm either', async () => {
    await withMembers(3);
    const hex = (length: number) =>
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
    const base64 = (length: number) =>
      fc.string({ unit: fc.constantFrom(...'AZaz09_-'), minLength: length, maxLength: length });
    const id = fc.oneof(hex(64), fc.constantFrom(signerOf(0).id, signerOf(1).id, signerOf(2).id, nodeId));
    const record = fc.record(
      {
        id,
        public_key: base64(43),
        addresses: fc.constant(['10.1.1.1:1']),
        version: fc.constant('1'),
        incarnation: fc.maxSafeNat(),
        issued_at: fc.oneof(fc.maxSafeNat(), fc.constant(bed.env.clock.wallMs())),
        left: fc.constant(true),
        signature: base64(86),
      },
      { requiredKeys: ['id', 'public_key', 'addresses', 'version', 'incarnation', 'issued_at', 'signature'] },
    );
    const claim = fc.record({
      id,
      incarnation: fc.oneof(fc.maxSafeNat(), fc.constant(bed.env.clock.wallMs())),
      state: fc.constantFrom('suspect', 'dead'),
      votes: fc.array(fc.record({ by: id, signature: base64(86) }), { minLength: 1, maxLength: 3 }),
    });
    const update = fc.oneof(
      record.map((one) => ({ record: one })),
      claim.map((one) => ({ claim: one })),
    );
    const updates = fc.array(update, { maxLength: 24 });
    const message = fc.record({
      topic: fc.constantFrom('news', 'x'),
      origin: id,
      public_key: base64(43),
      issued_at: fc.constant(bed.env.clock.wallMs()),
      nonce: base64(22),
      body: base64(8),
      hops: fc.nat(12),
      signature: base64(86),
    });
    const call = fc.oneof(
      fc.record({ operation: fc.constant('ping'), input: fc.record({ updates }) }),
      fc.record({ operation: fc.constant('ping_req'), input: fc.record({ target: id, updates }) }),
      fc.record({
        operation: fc.constant('sync'),
        input: fc.record(
          {
            after: hex(64),
            until: hex(64),
            digests: fc.array(fc.record({ id, incarnation: fc.maxSafeNat(), dead: fc.boolean() }), { maxLength: 256 }),
            updates,
          },
          { requiredKeys: ['digests', 'updates'] },
        ),
      }),
      fc.record({
        operation: fc.constant('gossip'),
        input: fc.record({ messages: fc.array(message, { minLength: 1, maxLength: 16 }) }),
      }),
      fc.record({
        operation: fc.constant('hello'),
        input: fc.record({ record, nonce: base64(22), issued_at: fc.maxSafeNat(), signature: base64(86) }),
      }),
    );
    const address = fc.oneof(
      fc.constantFrom(shared.address, secret.address),
      hex(64).map((digits) => `b3:${digits}`),
    );
    const group = fc.oneof(fc.nat(5), fc.integer({ min: 0, max: groupPastEnd }));
    const runOf = fc.record({ first: group, count: fc.integer({ min: 1, max: 1_024 }) });
    const exchanged = fc.oneof(
      fc.record({
        operation: fc.constant('have'),
        input: fc.record({ addresses: fc.array(address, { minLength: 1, maxLength: 50 }), window_first: group }),
      }),
      fc.record({
        operation: fc.constant('want'),
        input: fc.record({ address, ranges: fc.array(runOf, { minLength: 1, maxLength: 5 }) }),
      }),
      fc.record({ operation: fc.constantFrom('outboard', 'release'), input: fc.record({ address }) }),
      fc.record({ operation: fc.constant('challenge'), input: fc.record({ address, group, nonce: hex(64) }) }),
      fc.record({
        operation: fc.constant('place'),
        input: fc.record({
          address,
          size: fc.maxSafeNat(),
          durability: fc.constantFrom('memory', 'fsync'),
          ttl_ms: fc.integer({ min: 60_000, max: 100_000 }),
          sources: fc.array(fc.record({ id, address: fc.constant('10.0.0.1:1') }), { minLength: 1, maxLength: 8 }),
        }),
      }),
    );
    let caller = 1_000_000;
    await fc.assert(
      fc.asyncProperty(fc.oneof(call, exchanged), async ({ operation, input }) => {
        // A new node each time: one that goes on is banned soon.
        const from = nodePrincipal((caller++).toString(16).padStart(64, '0'));
        expect(await outcomeOf(bed.raw(from, operation, input))).not.toContain('internal');
        expect(bed.errors).toEqual([]);
      }),
    );
    expect(bed.api.members()).toHaveLength(3);
  });

  test('one more than each bound is refused before any work', async () => {
    const record = await bed.net.recordOf(1);
    const { claim } = { claim: { id: nodeId, incarnation: 1, state: 'dead', votes: [] } };
    const refused = async (operation: string, input: unknown) =>
      expect(await outcomeOf(bed.raw(asNode, operation, input))).toBe('bad_request');
    await refused('ping', { updates: Array(25).fill({ record }) });
    await refused('ping', { updates: [{ claim }] });
    await refused('ping', { updates: [{ record: { ...record, addresses: Array(5).fill('10.0.0.1:1') } }] });
    await refused('ping', { updates: [{ record: { ...record, addresses: [`${'a'.repeat(262)}`] } }] });
    await refused('sync', { digests: Array(257).fill({ id: nodeId, incarnation: 1, dead: false }), updates: [] });
    await refused('exchange', { count: 33 });
    await refused('gossip', { messages: [] });
    await refused('ping', { updates: [], more: 1 });
  });
});
