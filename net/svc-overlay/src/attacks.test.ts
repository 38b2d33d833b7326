import type { Claim, GossipMessage, NodeRecord, Update } from '@ron/proto/overlay';
import { toBase64Url } from '@ron/transport';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Overlay } from './overlay.ts';
import { gossipStatement, recordStatement, voteStatement } from './statements.ts';
import { signerOf } from './testing/real-keys.ts';
import { contactOf, outcomeOf, SmallNetwork } from './testing/small-network.ts';

let net: SmallNetwork;
beforeEach(async () => {
  net = await SmallNetwork.create();
});
afterEach(() => net[Symbol.dispose]());

/** An identity without a node: what it says, it says by hand. */
const liarIndex = 90;

async function claimOf(about: NodeRecord, state: Claim['state'], voters: readonly number[]): Promise<Update> {
  const { id, incarnation } = about;
  const votes = voters.map(async (index) => {
    const signer = signerOf(index);
    const signature = await signer.sign(voteStatement({ id, incarnation, state }, signer.id));
    return { by: signer.id, signature: toBase64Url(signature) };
  });
  return { claim: { id, incarnation, state, votes: await Promise.all(votes) } };
}

async function messageOf(index: number, body: string, issuedAt: number): Promise<GossipMessage> {
  const signer = signerOf(index);
  const unsigned = {
    topic: 'news',
    origin: signer.id,
    public_key: toBase64Url(signer.publicKey),
    issued_at: issuedAt,
    nonce: 'A'.repeat(22),
    body: toBase64Url(new TextEncoder().encode(body)),
  };
  return { ...unsigned, hops: 12, signature: toBase64Url(await signer.sign(gossipStatement(unsigned))) };
}

async function network(count: number, liars: readonly number[] = [liarIndex]): Promise<Overlay[]> {
  const nodes = await net.start(count);
  await net.until(() => net.isComplete());
  // Members that say what they like, and answer nothing.
  for (const liar of liars) {
    const record = await net.recordOf(liar);
    for (const node of nodes) await net.run(node.handlers.ping({ updates: [{ record }] }, record.id));
  }
  return nodes;
}

const ping = (node: Overlay, updates: Update[], from = signerOf(liarIndex).id) =>
  outcomeOf(net.run(node.handlers.ping({ updates }, from)));

describe('a liar', () => {
  test('that accuses everybody kills nobody, and is not listened to any more', async () => {
    const nodes = await network(12);
    const deaths: string[] = [];
    for (const node of nodes) {
      node.onMember(
        ({ state, record }) =>
          void (state === 'dead' && record.id !== signerOf(liarIndex).id && deaths.push(record.id)),
      );
    }
    for (let round = 0; round < 30; round++) {
      for (const { membership } of nodes.slice(1)) {
        const { record } = membership.self;
        await ping(nodes[0]!, [
          await claimOf(record, 'suspect', [liarIndex]),
          await claimOf(record, 'dead', [liarIndex]),
        ]);
        await net.pass(100);
      }
    }
    expect(deaths).toEqual([]);
    expect(net.ignored.get('accuser')).toBeGreaterThan(0);
    await net.until(() => nodes.every((node) => nodes.every((other) => node === other || node.isPresent(other.id))));
  });

  test('needs two others: three votes count, the same vote three times does not', async () => {
    const voters = [90, 91, 92, 93];
    const [node, victim] = await network(3, voters);
    const { record } = victim!.membership.self;
    net.isLost = () => true;
    await net.pass(5_000);
    await ping(node!, [await claimOf(record, 'dead', [90, 90, 90])]);
    await ping(node!, [await claimOf(record, 'dead', [90, 91])]);
    expect(node!.membership.table.get(record.id)).toMatchObject({ certain: false });
    await ping(node!, [await claimOf(record, 'dead', [92])]);
    expect(node!.membership.table.get(record.id)).toMatchObject({ certain: true, state: 'dead' });
  });

  test('is not believed by who has just heard the victim itself', async () => {
    const [node, victim] = await network(2, [90, 91, 92]);
    const { record } = victim!.membership.self;
    await net.run(node!.handlers.ping({ updates: [] }, victim!.id));
    await ping(node!, [await claimOf(record, 'dead', [90, 91, 92])]);
    expect(node!.membership.table.get(record.id)).toMatchObject({ state: 'alive' });
  });

  test('cannot vote for others, for strangers, or with a signature for something else', async () => {
    const [node, victim] = await network(2);
    const { record } = victim!.membership.self;
    net.isLost = () => true;
    await net.pass(5_000);
    const own = (await claimOf(record, 'dead', [liarIndex])) as { claim: Claim };
    const { signature } = own.claim.votes[0]!;
    const forged = [signerOf(0).id, signerOf(77).id, record.id].map((by) => ({ by, signature }));
    await ping(node!, [{ claim: { ...own.claim, votes: forged } }]);
    const suspicion = (await claimOf(record, 'suspect', [liarIndex])) as { claim: Claim };
    await ping(node!, [{ claim: { ...own.claim, votes: suspicion.claim.votes } }]);
    expect(node!.membership.table.get(record.id)?.votes).toEqual([]);
  });

  test('cannot make a node refute without end, nor raise its incarnation', async () => {
    const [node] = await network(1);
    const { self } = node!.membership;
    const before = self.record.incarnation;
    let signed = 0;
    const { renew } = self;
    self.renew = (...args) => {
      signed++;
      return renew.apply(self, args);
    };
    for (let round = 0; round < 50; round++) {
      await ping(node!, [await claimOf(self.record, 'suspect', [liarIndex])]);
      await net.pass(100);
    }
    expect(signed).toBeLessThanOrEqual(6);
    const record = { ...self.record, incarnation: Number.MAX_SAFE_INTEGER };
    await ping(node!, [{ record }, await claimOf(record, 'dead', [liarIndex])]);
    expect(self.record.incarnation).toBeLessThan(before + 60_000);
  });
});

describe('records', () => {
  test('that another node made up are refused, and it is banned for them', async () => {
    const [node] = await network(1);
    const real = await net.recordOf(50);
    const forged = { ...real, addresses: ['10.6.6.6:1'] };
    const stolen = { ...real, id: signerOf(51).id };
    await ping(node!, [{ record: forged }]);
    await ping(node!, [{ record: stolen }]);
    expect(node!.membership.table.get(real.id)).toBeUndefined();
    expect(node!.isBanned(signerOf(liarIndex).id)).toBe(true);
    expect(await ping(node!, [])).toBe('forbidden banned');
  });

  test('of long ago, or of a node that left, bring nobody back', async () => {
    const [node, other] = await network(2);
    const old = other!.membership.self.record;
    await net.run(other![Symbol.asyncDispose]());
    await ping(node!, [{ record: old }]);
    expect(node!.membership.table.get(old.id)?.state).toBe('left');
    net.clockOf(0).jumpWall(86_400_001);
    await ping(node!, [{ record: await net.recordOf(51) }]);
    expect(node!.membership.table.get(signerOf(51).id)).toBeUndefined();
    expect(net.ignored.get('stale')).toBe(1);
  });

  test('10,000 joins and leaves a minute fill no more than the table, and honest members stay', async () => {
    const nodes = await net.start(3, { config: { members_max: 64 } });
    await net.until(() => net.isComplete());
    const node = nodes[0]!;
    for (let index = 1_000; index < 1_400; index++) {
      const record = await net.recordOf(index);
      const unsigned = { ...record, incarnation: record.incarnation + 1, left: true as const };
      const signature = toBase64Url(await signerOf(index).sign(recordStatement(unsigned)));
      await ping(node, [{ record }], record.id);
      if (index % 3 !== 0) await ping(node, [{ record: { ...unsigned, signature } }], record.id);
      await net.pass(6);
    }
    expect(node.membership.table.size).toBeLessThanOrEqual(64);
    expect(net.ignored.get('full')).toBeGreaterThan(0);
    await net.until(() => node.membership.table.present === 2, 300_000);
    expect(nodes.slice(1).every(({ id }) => node.isPresent(id))).toBe(true);
  });
});

describe('calls', () => {
  test('ping_req pings members only: it sends nobody to an address of the caller’s choice', async () => {
    const [node] = await network(1);
    const before = net.messages;
    const answer = await net.run(
      node!.handlers.ping_req({ target: contactOf(60).id, updates: [] }, signerOf(liarIndex).id),
    );
    expect([answer.acked, net.messages]).toEqual([false, before]);
  });

  test('more than their rate are refused with the wait, and then the caller is banned', async () => {
    const [node] = await network(1);
    const outcomes = new Set<string>();
    for (let count = 0; count < 200; count++) outcomes.add(await ping(node!, []));
    expect([...outcomes]).toEqual(['taken', 'quota_exhausted', 'forbidden banned']);
  });
});

describe('gossip', () => {
  const liar = signerOf(liarIndex).id;

  test('replayed, at once or much later, is taken once', async () => {
    const nodes = await network(4);
    const got: string[] = [];
    for (const node of nodes) node.subscribe('news', ({ id }) => got.push(id));
    const message = await messageOf(liarIndex, 'again', net.world.node('signer').clock.wallMs());
    for (const waitMs of [0, 0, 1_000, 60_000, 58_000, 2_000, 60_000, 600_000]) {
      await net.run(nodes[0]!.handlers.gossip({ messages: [message, message] }, liar));
      await net.pass(waitMs);
    }
    expect(got).toHaveLength(4);
    expect(net.ignored.get('stale')).toBeGreaterThan(0);
    expect(nodes[0]!.gossip.sizes).toEqual({ seen: 1, waiting: 0 });
  });

  test('past 200 messages a second is refused with the wait; the flood ends in a ban', async () => {
    const [node] = await network(1);
    const nowMs = net.world.node('signer').clock.wallMs();
    const messages = await Promise.all(Array.from({ length: 16 }, (_, at) => messageOf(liarIndex, `${at}`, nowMs)));
    const outcomes: string[] = [];
    for (let call = 0; call < 40; call++) outcomes.push(await outcomeOf(node!.handlers.gossip({ messages }, liar)));
    expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(12);
    expect(outcomes[12]).toBe('quota_exhausted');
    expect(outcomes.at(-1)).toBe('forbidden banned');
    await expect(node!.handlers.gossip({ messages }, signerOf(1).id)).resolves.toEqual({ taken: 0 });
  });

  test('fills no more than its window, and one origin no more than its part of it', async () => {
    const [node] = await net.start(1, { config: { gossip_window_max: 64 } });
    const nowMs = net.world.node('signer').clock.wallMs();
    const taken: number[] = [];
    for (let index = 100; index < 130; index++) {
      const messages = await Promise.all(Array.from({ length: 8 }, (_, at) => messageOf(index, `${at}`, nowMs)));
      taken.push((await node!.handlers.gossip({ messages }, signerOf(index).id)).taken);
    }
    expect(taken).toEqual([...Array(16).fill(4), ...Array(14).fill(0)]);
    await net.pass(121_000);
    const later = await messageOf(100, 'later', net.world.node('signer').clock.wallMs());
    expect(await node!.handlers.gossip({ messages: [later] }, liar)).toEqual({ taken: 1 });
  });

  test('that is forged, of an unknown topic or from the future goes no further', async () => {
    const [node] = await network(2);
    const nowMs = net.world.node('signer').clock.wallMs();
    const message = await messageOf(50, 'x', nowMs);
    const before = net.messages;
    const sent = [
      { ...message, topic: 'other' },
      await messageOf(50, 'x', nowMs + 60_001),
      { ...message, body: 'AAAA' },
    ];
    expect(await node!.handlers.gossip({ messages: sent }, liar)).toEqual({ taken: 0 });
    expect(net.messages).toBe(before);
    expect(net.ignored.get('bad_signature')).toBe(1);
  });
});
